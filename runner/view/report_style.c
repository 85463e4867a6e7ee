// SPDX-License-Identifier: Apache-2.0
/* report_style.c - how a record's page looks: ink on paper, one colour a phase, and red for what
 * was refused and for nothing else.
 *
 * Data. Light and dark follow the reader's setting; below 700 pixels tables become lists; on paper
 * nothing is cut.
 */
#include "report_style.h"

#include <stddef.h>

/* NOLINTBEGIN(bugprone-suspicious-missing-comma): the pieces are long, and their lines belong together */
const char *const report_style[] = {
	":root{color-scheme:light dark;"
	"--paper:#fdfcfa;--raised:#f5f3ee;--ink:#1f1d1a;--soft:#6a655c;--line:#dedad1;--grid:#"
	"ebe7de;"
	"--fetch:#1f6f9c;--build:#7a756b;--push:#95600a;--stop:#b8201a;--stop-paper:#fbeae8;--good:"
	"#2f6b3c}\n",
	"@media(prefers-color-scheme:dark){:root{--paper:#171614;--raised:#211f1c;--ink:#ece8e0;--"
	"soft:#a39d91;--line:#3a3731;--grid:#2a2824;"
	"--fetch:#6fb5e0;--build:#9c968a;--push:#e2ab4d;--stop:#ff8176;--stop-paper:#3a1f1c;--good:"
	"#86c593}}\n",
	"*{box-sizing:border-box}\n",
	"body{margin:0 auto;max-width:72rem;padding:2.5rem 1.5rem "
	"4rem;background:var(--paper);color:var(--ink);"
	"font:16px/1.5 ui-sans-serif,system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto "
	"Sans\",\"DejaVu Sans\",sans-serif;"
	"font-variant-numeric:tabular-nums;overflow-wrap:anywhere}\n",
	"h1{font-size:1.9rem;line-height:1.2;font-weight:600;letter-spacing:-.015em;margin:.15rem "
	"0 1rem}\n",
	"h2{font-size:1.1rem;font-weight:600;margin:2.75rem 0 "
	".75rem;padding-top:.9rem;border-top:1px solid var(--line)}\n",
	"p{margin:.4rem "
	"0}.kicker,.hint,footer{color:var(--soft);font-size:.875rem}.kicker{margin:0}\n",
	"code,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans "
	"Mono\",monospace;font-size:.875em}\n",
	".good{color:var(--good)}.bad{color:var(--stop)}\n",
	".banner{border-left:4px solid var(--stop);background:var(--stop-paper);padding:.6rem "
	".9rem;margin:.75rem 0}\n",
	"dl{display:grid;grid-template-columns:max-content 1fr max-content 1fr;gap:.15rem "
	"1.25rem;margin:0;font-size:.925rem}\n",
	"dt{color:var(--soft)}dd{margin:0}\n",
	".sums{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:1rem;"
	"margin:1.75rem 0 0;padding:0;list-style:none}\n",
	".sums "
	"b{display:block;font-size:1.5rem;line-height:1.25;font-weight:600;letter-spacing:-.01em}."
	"sums span{color:var(--soft);font-size:.875rem}\n",
	".tag{display:inline-block;min-width:3.3rem;padding:0 .45rem;border:1px solid "
	"currentColor;border-radius:3px;text-align:center;"
	"font-size:.78rem;line-height:1.45;font-weight:600}\n",
	".fetch{color:var(--fetch)}.build{color:var(--build)}.push{color:var(--push)}\n",
	/* the timeline: a list of rows, each with a strip of its own whose places are percentages
	 */
	".rows{list-style:none;margin:0;padding:0}\n",
	".row{display:grid;grid-template-columns:16rem minmax(0,1fr) 14.5rem;gap:0 "
	"1rem;align-items:center;border-top:1px solid var(--grid);padding:.3rem 0}\n",
	".row:first-child{border-top:0;padding:0}\n",
	".name{display:flex;gap:.6rem;align-items:baseline;min-width:0}.name "
	".n{color:var(--soft);min-width:1.4em;text-align:right}\n",
	".name .t{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}\n",
	".end{text-align:right;font-size:.875rem;line-height:1.35;white-space:nowrap;overflow:"
	"hidden;text-overflow:ellipsis}.end "
	"small{display:block;color:var(--soft);font-size:.8rem}\n",
	"svg{display:block;overflow:visible}svg .grid{stroke:var(--grid)}svg "
	"text{fill:var(--soft);font-size:12px}\n",
	"svg .shut{fill:currentColor;fill-opacity:.3}svg .open{fill:currentColor}\n",
	"svg .ok{fill:var(--ink);fill-opacity:.55}svg "
	".no{stroke:var(--stop);stroke-width:2.2;stroke-linecap:round;fill:none}\n",
	"svg .cut{fill:var(--stop);stroke:none}svg "
	".would{stroke:var(--stop);stroke-width:1.8;fill:var(--paper)}\n",
	".legend{display:flex;flex-wrap:wrap;gap:.35rem 1.4rem;margin:.9rem 0 "
	"0;padding:0;list-style:none;color:var(--soft);font-size:.84rem}\n",
	".legend li{display:flex;align-items:center;gap:.45rem}\n",
	"table{width:100%;border-collapse:collapse;font-size:.925rem}\n",
	"th{font-weight:500;white-space:nowrap;color:var(--soft);text-align:left;font-size:.84rem;"
	"border-bottom:1px solid var(--line)}\n",
	"th,td{padding:.4rem .9rem .4rem 0;vertical-align:top}td{border-bottom:1px solid "
	"var(--grid)}\n",
	"th:last-child,td:last-child{padding-right:0}.r{text-align:right;white-space:nowrap}td "
	"small{display:block;color:var(--soft);font-size:.84rem}\n",
	".refused td:first-child{border-left:3px solid var(--stop);padding-left:.7rem}.refused "
	"th:first-child{padding-left:.75rem}\n",
	".refused .what{font-weight:600;color:var(--stop)}\n",
	"footer{margin-top:3rem;padding-top:.9rem;border-top:1px solid var(--line)}\n",
	"@media(max-width:700px){body{padding:1.5rem 1rem "
	"3rem}h1{font-size:1.5rem}.row{grid-template-columns:minmax(0,1fr) auto;padding:.55rem 0}"
	".row .strip{grid-column:1/3;grid-row:2}.row:first-child "
	".strip{grid-row:1}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.35rem}"
	"thead{display:none}table,tbody,tr,td{display:block;width:100%}tr{border-bottom:1px solid "
	"var(--line);padding:.45rem 0}"
	"td{border:0;padding:.1rem 0}.r{text-align:left}td[data-l]::before{content:attr(data-l) "
	"\"\\00a0\\00a0\";color:var(--soft);font-size:.84rem}"
	"td:empty{display:none}.refused tr{border-left:3px solid "
	"var(--stop);padding-left:.7rem}.refused td:first-child{border:0;padding-left:0}}\n",
	"@media "
	"print{:root{--paper:#fff;--raised:#fff;--ink:#000;--soft:#444;--line:#bbb;--grid:#ddd;--"
	"fetch:#1f6f9c;--build:#6b665c;--push:#8a5a0a;"
	"--stop:#b8201a;--stop-paper:#fff;--good:#2f6b3c}body{max-width:none;padding:0;font-size:"
	"11pt}tr,.row,.banner{break-inside:avoid}"
	"h2{break-after:avoid}svg .shut,svg .open,svg .ok,svg "
	".cut{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n",
	NULL,
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */
