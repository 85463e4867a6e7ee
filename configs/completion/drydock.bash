# SPDX-License-Identifier: Apache-2.0
# drydock.bash - completion of drydock's command line for bash; in zsh after `autoload -U bashcompinit && bashcompinit`.
#
# One row for each command: its words, then its options. An option that ends in = takes a value. tests/integration/help_test.py holds the
# rows against what the commands themselves say.
_drydock_rows='
:run plan policy actions record doctor issuer revoke cache register unregister agent gitlab-executor --help --version
run:--job= --matrix= --jobs= --policy= --event= --workspace= --untracked --rev= --out= --record= --record-key= --record-to= --secret= --input= --var= --state-dir= --observe --keep --locked --shell= --shell-program= --dry-run --rules --syscalls --json --help --usage
plan:--job= --policy= --event= --workspace= --untracked --rev= --out= --record= --record-key= --record-to= --secret= --input= --var= --state-dir= --observe --keep --locked --shell= --shell-program= --dry-run --rules --syscalls --json --help --usage
actions:lock prune --all --days= --job= --policy= --event= --workspace= --untracked --rev= --out= --record= --record-key= --record-to= --secret= --input= --var= --state-dir= --observe --keep --locked --shell= --shell-program= --dry-run --rules --syscalls --json --help --usage
policy:check sets keys explain suggest replay
policy check:--json --help --usage
policy sets:npm pip cargo go maven gem nuget apt apk github github-api github-releases setup-node setup-python setup-go setup-java setup-uv rustup ghcr docker-hub gitlab sigstore --policy= --json --help --usage
policy keys:--json --help --usage
policy explain:--step= --connect= --syscall= --path= --credential= --store= --seq= --job= --policy= --event= --workspace= --untracked --rev= --out= --record= --record-key= --record-to= --secret= --input= --var= --state-dir= --observe --keep --locked --shell= --shell-program= --dry-run --rules --syscalls --json --help --usage
policy suggest:--directory= --no-sets --help --usage
policy replay:--policy= --partial --json --help --usage
record:verify show report schema --events --json --key= --signature= --help --usage
doctor:--policy= --state-dir= --json --help --usage
issuer:init rotate show --url= --audience= --now --help --usage
revoke:--all --state-dir= --help --usage
cache:list prune --of= --days= --untrusted --all --json --state-dir= --help --usage
register:gitlab github --url= --token-file= --app= --import= --ca-file= --tls-cert-file= --tls-key-file= --name= --labels= --group= --ephemeral --replace --jitconfig-file= --runner-version= --state-dir= --help --usage
unregister:--token-file= --app= --state-dir= --help --usage
gitlab-executor:config prepare run cleanup --policy-dir= --state-dir= --image= --help --usage
agent:--config= --policy-dir= --state-dir= --ca-file= --once --jitconfig-file= --runner-version= --check --help --usage
'

_drydock() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]:-} command=${COMP_WORDS[1]:-} row words
	if [ "$COMP_CWORD" -eq 1 ]; then
		command=
	elif [ "$command" = policy ] && [ "$COMP_CWORD" -gt 2 ]; then
		command="policy ${COMP_WORDS[2]}"
	fi
	words=
	while IFS= read -r row; do
		if [ -n "$row" ] && [ "${row%%:*}" = "$command" ]; then words=${row#*:}; fi
	done <<<"$_drydock_rows"
	COMPREPLY=()
	# A value, after "--option" and "=": files and directories, as the shell itself completes them.
	if [ "$word" = "=" ] || [ "$previous" = "=" ] || [[ " $words " == *" $previous= "* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "${word#=}")
		return
	fi
	# A verb comes first, and only there; where it must, no file of the directory is in its way.
	local verb=
	case $command in '' | policy) verb=wanted ;; record) if [ "$COMP_CWORD" -eq 2 ]; then verb=wanted; else words=${words#verify show report schema}; fi ;;
	actions) if [ "$COMP_CWORD" -eq 2 ]; then verb=wanted; else words=${words#lock prune}; fi ;;
	issuer) if [ "$COMP_CWORD" -eq 2 ]; then verb=wanted; else words=${words#init rotate show}; fi ;;
	cache) if [ "$COMP_CWORD" -eq 2 ]; then verb=wanted; else words=${words#list prune}; fi ;;
	register) if [ "$COMP_CWORD" -eq 2 ]; then verb=wanted; else words=${words#gitlab github}; fi ;;
	gitlab-executor) if [ "$COMP_CWORD" -eq 2 ]; then verb=wanted; else words=${words#config prepare run cleanup}; fi ;; esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	if [[ ${COMPREPLY[0]:-} == *= ]] && [ ${#COMPREPLY[@]} -eq 1 ]; then compopt -o nospace 2>/dev/null; fi
	if [[ $word != -* && ! $verb ]]; then
		local files
		mapfile -t files < <(compgen -f -- "$word")
		COMPREPLY+=("${files[@]}")
	fi
}
complete -o filenames -F _drydock drydock
