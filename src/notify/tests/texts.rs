//! Hostile texts, as names of branches, jobs and workflows and as titles of commits may be.

/// What acts somewhere.
const TRICKS: &[&str] = &[
    // Mentions.
    "<!channel>",
    "<!here>",
    "<!everyone>",
    "<!subteam^S1|team>",
    "<@U012AB3CD>",
    "<@!123456789>",
    "<@&123456789>",
    "<#C024BE7LR>",
    "@here",
    "@channel",
    "@all",
    "@everyone",
    "@ann.lee_x",
    "ann@evil.example",
    "@@here",
    "<at>ann</at>",
    "~town-square",
    "#urgent",
    "</kill:1234>",
    "<t:0:R>",
    "<:x:1234>",
    "<a:x:1234>",
    "<id:customize>",
    // Links.
    "https://evil.example/a?b=c",
    "http://evil.example",
    "HTTPS://EVIL.EXAMPLE",
    "<https://evil.example|Open the run>",
    "<https://evil.example>",
    "[Open the run](https://evil.example)",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "[x]: https://evil.example",
    "[x][1]",
    "www.evil.example",
    "evil.example/x",
    "10.0.0.1:80",
    "mailto:ann@evil.example",
    "slack://open",
    "tel:+100",
    "ftp://evil.example",
    "://evil.example",
    // Mark-up.
    "**bold** __under__ ~~gone~~ ||spoiler||",
    "*a* _b_ ~c~ `d`",
    "***",
    "```\ncode\n```",
    "`",
    "``",
    "` @here `",
    "a\\",
    "\\`",
    "\\\\*x*",
    "\\",
    "> quote",
    ">>> quote",
    "# title",
    "-# small",
    "- item",
    "1. item",
    "| a | b |\n|---|---|",
    "---",
    "$\\frac{1}{2}$",
    ":smile: :+1:",
    "{{DATE(2026-11-27T10:00:00Z,SHORT)}}",
    "{{{{TIME(x)}}}}",
    "${secret}",
    "@{triggerBody()}",
    "{\"type\":\"Action.OpenUrl\"}",
    // HTML.
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='https://evil.example'>x</a>",
    "<!-- x -->",
    "&lt;!channel&gt;",
    "&amp;&#60;!here&#62;",
    "</at></p>",
    "<",
    ">",
    "&",
    "a < b && c > d",
    // Of JSON and of lines.
    "\"}],\"text\":\"<!here>",
    "\", \"x\": \"",
    "\\u003c!here\\u003e",
    "'\"`",
    "a\nSeverity: critical",
    "a\r\n\r\nX-Header: 1",
    "a\u{2028}b\u{2029}c\u{85}d",
    "a\u{0}b\u{7}c\u{1b}[31md\u{9b}e",
    "\t\u{b}\u{c}",
    // Hidden characters, and those that turn the text round.
    "\u{202e}gpj.exe",
    "\u{2066}a\u{2069}",
    "\u{200f}a\u{200e}",
    "@\u{200b}here",
    "<\u{200b}!here>",
    "\u{feff}@here",
    "h\u{ad}ttps://evil.example",
    "\u{e0041}\u{e0042}",
    "e\u{301}\u{301}\u{301}\u{301}",
    "\u{ff20}here \u{fe6b}here",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "",
    " ",
];

/// Pieces that grow when they are escaped.
const PIECES: &[&str] = &[
    "x",
    "@a",
    ".a",
    ":a",
    "<a",
    "@",
    "<",
    ">",
    "&",
    "\"",
    "\\",
    "*",
    "`",
    "{",
    "{{",
    "[",
    "@*",
    "<@",
    ":#",
    "<#@:",
    "#*",
    "\u{e9}",
    "\u{1f534}",
    "\n",
    "\u{202e}",
];

/// At least two hundred texts, some of them very long.
pub(super) fn texts() -> Vec<String> {
    let mut all = Vec::new();
    for trick in TRICKS {
        all.push((*trick).to_owned());
        all.push(format!("fix {trick} now"));
        all.push(format!("`{trick}"));
        all.push(format!("a{trick}{trick}"));
        all.push(format!("{}{trick}", "x".repeat(80)));
        all.push(trick.repeat(400));
    }
    for piece in PIECES {
        all.push(piece.repeat(60));
        all.push(piece.repeat(100_000 / piece.len()));
    }
    all
}
