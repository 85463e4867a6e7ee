// SPDX-License-Identifier: Apache-2.0
/* inside_etc.c - files that are made up for the sandbox instead of shown from the host.
 *
 * Runs in: launcher. They live on a tmpfs that is read-only when the step starts. No
 * /etc/shadow, and no account of the host is named.
 */
#include "inside.h"

#include "drydock/fd.h"

#include <limits.h>
#include <sys/stat.h>

static int write_all(int fd, const char *path, const void *content, size_t len, struct dd_err *err)
{
	const char *p = content;
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0)
			return dd_err_set(err, errno, "write %s", path);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The parent, if need be, is made like a mount target; the file itself must be new and on the file
 * system that it is made up on. */
int inside_file(const struct inside *in, const struct sandbox_file *file, struct dd_err *err)
{
	const char *path = file->path, *slash = strrchr(file->path, '/');
	char dir[PATH_MAX];
	int root = inside_base(in, file->path, &path);

	if (file->path[0] != '/' || !slash[1] || (size_t)(slash - file->path) >= sizeof(dir))
		return dd_err_say(err, EINVAL, "file '%.200s': must be an absolute path",
		                  file->path);
	dd_auto_fd int fd = mnt_create(root, path + 1, file->mode & 0555);
	if (fd == -ENOENT && slash > path) {
		dd_auto_fd int made = -1;
		memcpy(dir, path, (size_t)(slash - path));
		dir[slash - path] = '\0';
		int r = mnt_target(root, dir, true, &made, err);
		if (r < 0)
			return r;
		fd = mnt_create(root, path + 1, file->mode & 0555);
	}
	if (fd == -EXDEV)
		return dd_err_say(
			err, EXDEV,
			"file %s: its directory is a mounted tree, and nothing is created there",
			file->path);
	if (fd < 0)
		return dd_err_set(err, -fd, "create %s", file->path);
	return write_all(fd, file->path, file->content, file->len, err);
}

static int file_write(const struct inside *in, const char *path, const void *content, size_t len,
                      mode_t mode, struct dd_err *err)
{
	const struct sandbox_file file = {
		.path = path, .content = content, .len = len, .mode = mode
	};
	return inside_file(in, &file, err);
}

#define RESOLV_CONF "/etc/resolv.conf"

static const struct etc_row {
	const char *path;
	const char *content;
} etc_rows[] = {
	/* The accounts that every Debian has, with their fixed ids (base-passwd): programs and test
	 * suites look them up by name. None is an account of this host, and no process of a step
	 * can become one. */
	{ "/etc/passwd", "root:x:0:0:root:/:/usr/sbin/nologin\n"
	                 "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
	                 "bin:x:2:2:bin:/bin:/usr/sbin/nologin\n"
	                 "sys:x:3:3:sys:/dev:/usr/sbin/nologin\n"
	                 "sync:x:4:65534:sync:/bin:/bin/sync\n"
	                 "games:x:5:60:games:/usr/games:/usr/sbin/nologin\n"
	                 "man:x:6:12:man:/var/cache/man:/usr/sbin/nologin\n"
	                 "lp:x:7:7:lp:/var/spool/lpd:/usr/sbin/nologin\n"
	                 "mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n"
	                 "news:x:9:9:news:/var/spool/news:/usr/sbin/nologin\n"
	                 "uucp:x:10:10:uucp:/var/spool/uucp:/usr/sbin/nologin\n"
	                 "proxy:x:13:13:proxy:/bin:/usr/sbin/nologin\n"
	                 "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
	                 "backup:x:34:34:backup:/var/backups:/usr/sbin/nologin\n"
	                 "list:x:38:38:list:/var/list:/usr/sbin/nologin\n"
	                 "irc:x:39:39:ircd:/run/ircd:/usr/sbin/nologin\n"
	                 "runner:x:1001:1001:runner:/home/runner:/bin/bash\n"
	                 "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" },
	{ "/etc/group", "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\n"
	                "disk:x:6:\nlp:x:7:\nmail:x:8:\nnews:x:9:\nuucp:x:10:\nman:x:12:\n"
	                "proxy:x:13:\nkmem:x:15:\ndialout:x:20:\nfax:x:21:\nvoice:x:22:\n"
	                "cdrom:x:24:\nfloppy:x:25:\ntape:x:26:\nsudo:x:27:\naudio:x:29:\n"
	                "dip:x:30:\nwww-data:x:33:\nbackup:x:34:\noperator:x:37:\nlist:x:38:\n"
	                "irc:x:39:\nsrc:x:40:\nshadow:x:42:\nutmp:x:43:\nvideo:x:44:\n"
	                "sasl:x:45:\nplugdev:x:46:\nstaff:x:50:\ngames:x:60:\nusers:x:100:\n"
	                "runner:x:1001:\nnogroup:x:65534:\n" },
	{ RESOLV_CONF, "nameserver 198.18.0.1\noptions timeout:2 attempts:2\n" },
	{ "/etc/nsswitch.conf",
	  "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n" },
	{ "/etc/host.conf", "multi on\n" },
};
_Static_assert(SANDBOX_UID == 1001 && SANDBOX_GID == 1001, "/etc/passwd above names the ids");

int inside_etc(const struct inside *in, struct dd_err *err)
{
	char hosts[256], hostname[80];

	for (size_t i = 0; i < ARRAY_LEN(etc_rows); i++) {
		bool resolv = in->spec->resolv_conf && strcmp(etc_rows[i].path, RESOLV_CONF) == 0;
		const char *content = resolv ? in->spec->resolv_conf : etc_rows[i].content;
		int r = file_write(in, etc_rows[i].path, content, strlen(content), 0444, err);
		if (r < 0)
			return r;
	}
	int n = snprintf(
		hosts, sizeof(hosts),
		"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 %s\n",
		in->spec->hostname);
	int m = snprintf(hostname, sizeof(hostname), "%s\n", in->spec->hostname);
	int r = file_write(in, "/etc/hosts", hosts, (size_t)n, 0444, err);
	return r < 0 ? r : file_write(in, "/etc/hostname", hostname, (size_t)m, 0444, err);
}

const char *inside_etc_path(size_t i)
{
	static const char *const more[] = { "/etc/hosts", "/etc/hostname" };
	if (i < ARRAY_LEN(etc_rows))
		return etc_rows[i].path;
	i -= ARRAY_LEN(etc_rows);
	return i < ARRAY_LEN(more) ? more[i] : NULL;
}
