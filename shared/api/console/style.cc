#include "shared/api/console/style.h"

namespace dynflow::api::console {

const std::string_view kStyle = R"css(
:root{color-scheme:light dark;--line:#d5d9e0;--soft:#f4f6f9;--text:#1c2430;--dim:#5b6675;--link:#0b5cad;--good:#1c7c3c;--bad:#b3261e;--warn:#9a6200;--busy:#0b5cad;--back:#fff}
@media (prefers-color-scheme:dark){:root{--line:#3a4250;--soft:#232a35;--text:#e6e9ee;--dim:#9aa5b4;--link:#7db7f5;--good:#6fce8b;--bad:#ff8a80;--warn:#f0b95a;--busy:#7db7f5;--back:#171c24}}
*{box-sizing:border-box}
body{margin:0;font:15px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:var(--text);background:var(--back)}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
header{display:flex;gap:1.2em;align-items:baseline;flex-wrap:wrap;padding:.6em 1em;border-bottom:1px solid var(--line);background:var(--soft)}
header b{font-size:1.1em}
main{padding:1em;max-width:80em;margin:0 auto}
h1{font-size:1.35em;margin:.2em 0 .5em;overflow-wrap:anywhere}h2{font-size:1.1em;margin:1.4em 0 .5em}
.dim{color:var(--dim)}.mono,pre,code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.9em}
.notice{padding:.6em .9em;margin-bottom:1em;border:1px solid var(--warn);border-radius:6px}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35em .6em;border-bottom:1px solid var(--line);vertical-align:top}
th{white-space:nowrap}td{overflow-wrap:anywhere}td.nowrap{white-space:nowrap}
table.facts{width:auto}table.facts th{color:var(--dim);font-weight:normal;padding-left:0}
.scroll{overflow-x:auto}
.badge{display:inline-block;padding:0 .5em;border:1px solid currentColor;border-radius:1em;font-size:.85em;white-space:nowrap}
.success{color:var(--good)}.error,.cancelled{color:var(--bad)}.warning,.paused,.skipped,.skipping{color:var(--warn)}.running,.suspended,.planning{color:var(--busy)}
.pending,.stopped,.scheduled,.planned,.scheduling{color:var(--dim)}
form.inline{display:inline-block;margin:0 .3em .3em 0}
button,input,select{font:inherit;color:inherit}
button{padding:.25em .8em;border:1px solid var(--line);border-radius:6px;background:var(--soft);cursor:pointer}button.risky{color:var(--bad);border-color:currentColor}
input[type=text]{padding:.25em .5em;border:1px solid var(--line);border-radius:6px;background:var(--back);width:100%}
fieldset{border:1px solid var(--line);border-radius:6px;margin:0 0 .6em;padding:.3em .8em .5em}legend{color:var(--dim);padding:0 .3em}
label{display:inline-block;margin-right:1em;white-space:nowrap}
.filter{display:grid;grid-template-columns:repeat(auto-fit,minmax(16em,1fr));gap:0 1em}.filter fieldset{min-width:0}
.pages{display:flex;gap:1.2em;margin:.8em 0;flex-wrap:wrap}
.sequence,.concurrence{border-left:3px solid var(--warn);padding-left:.7em;margin:.3em 0}.concurrence{border-left:3px dashed var(--busy)}
.tree{list-style:none;padding-left:1.1em;margin:.2em 0}
.step{border:1px solid var(--line);border-radius:6px;padding:.4em .7em;margin:.35em 0;overflow-wrap:anywhere}
.step progress{width:5em;height:.6em;margin-right:.4em}
details>summary{cursor:pointer}
details.danger{display:inline-block;margin:0 .3em .3em 0}
pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.6em .8em;margin:.3em 0 .8em;overflow:auto;max-height:40em;white-space:pre-wrap;overflow-wrap:anywhere}
.stderr{color:var(--bad)}.debug{color:var(--dim)}
@media (max-width:45em){.wide{display:none}main{padding:.6em}th,td{padding:.35em .35em}}
)css";

}  // namespace dynflow::api::console
