"""The status page's style sheet, and the hash by which the Content-Security-Policy lets it in.

Colours are variables, each with a light and a dark value; every pair of ink and ground has a contrast of 4.5 at least.
"""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--link:#0a58ca;
--ok:#12672f;--ok-bg:#dcf5e3;--failing:#a11420;--failing-bg:#ffe3e3;--stale:#a11420;--stale-bg:#ffe3e3;
--waiting:#704d00;--waiting-bg:#fff1cc}
@media(prefers-color-scheme:dark){:root{--ground:#0f1318;--card:#181d24;--ink:#e6e9ed;--soft:#9aa5b1;--line:#303842;
--link:#7db4ff;--ok:#7ee2a0;--ok-bg:#12351f;--failing:#ffa6a6;--failing-bg:#4a1a1d;--stale:#ffa6a6;--stale-bg:#4a1a1d;
--waiting:#f5cf76;--waiting-bg:#3d3010}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,
"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
header,main,footer{max-width:76rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.25rem;display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline}
h1{font-size:1.35rem;margin:0}
h2{font-size:1.05rem;margin:1.75rem 0 .5rem}
h3{font-size:1.02rem;margin:0;display:flex;flex-wrap:wrap;gap:.25rem .6rem;align-items:baseline}
a{color:var(--link)}
nav{margin-left:auto;display:flex;flex-wrap:wrap;gap:.25rem 1rem}
.soft{color:var(--soft)}
small,.small{font-size:.84rem;color:var(--soft)}
p{margin:.3rem 0}
code{font:.88em ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.verdict,.box{border:1px solid var(--line);border-left-width:.4rem;border-radius:.4rem;padding:.6rem .9rem;
margin:.9rem 0}
.verdict{font-size:1.1rem;font-weight:600}
.verdict .small{color:inherit;font-weight:400}
.box ul{margin:.2rem 0;padding-left:1.2rem}
.ok{--fg:var(--ok);--bg:var(--ok-bg)}
.failing{--fg:var(--failing);--bg:var(--failing-bg)}
.stale{--fg:var(--stale);--bg:var(--stale-bg)}
.waiting{--fg:var(--waiting);--bg:var(--waiting-bg)}
.verdict,.box{color:var(--fg);background:var(--bg);border-color:var(--fg)}
.state{display:inline-block;white-space:nowrap;padding:0 .5rem;border-radius:.7rem;font-weight:600;font-size:.86rem;
color:var(--fg,var(--soft));background:var(--bg,transparent);border:1px solid currentColor}
.stale.state{background:var(--fg);color:var(--card);border-color:var(--fg)}
dl{display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:.6rem 0}
dt{font-size:.78rem;color:var(--soft)}
dd{margin:0}
.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.4rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .75rem;border-top:1px solid var(--line)}
thead th{border-top:0;font-size:.78rem;font-weight:600;color:var(--soft);white-space:nowrap}
th[scope=row]{font-weight:600}
.n{text-align:right;white-space:nowrap}
.t{white-space:nowrap}
.t small{display:block}
article{background:var(--card);border:1px solid var(--line);border-radius:.4rem;margin:.75rem 0;overflow:hidden}
article>header{display:block;max-width:none;padding:.6rem .75rem .4rem}
article>header .small{margin-top:.15rem}
.notes{margin:.2rem 0 .6rem;padding:0 .75rem 0 1.9rem}
tr.why td{border-top:0;padding-top:0}
.why div{border-left:.25rem solid var(--fg,var(--line));padding:.1rem .7rem;white-space:pre-line}
.overview th[scope=row]{min-width:11rem}
.overview td{white-space:nowrap}
footer{padding-top:1rem;padding-bottom:2rem}
footer ul{list-style:none;margin:0;padding:0}
footer li{margin:.25rem 0}
@media(max-width:46rem){
nav{margin-left:0}
.region{display:none}
.overview th[scope=row]{min-width:8rem}
.collectors,.collectors tbody,.collectors tr,.collectors th,.collectors td{display:block}
.collectors thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.collectors tr{display:grid;grid-template-columns:1fr 1fr;border-top:1px solid var(--line);padding:.35rem 0}
.collectors th,.collectors td{border-top:0;padding:.15rem .75rem}
.collectors .n{text-align:left}
.collectors td[data-label]::before{content:attr(data-label);display:block;font-size:.78rem;color:var(--soft)}
.collectors tr.why{display:block;border-top:0;padding-top:0}
}
"""
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
