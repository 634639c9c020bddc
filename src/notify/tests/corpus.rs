//! Hostile addresses: every notation of every kind of address that must not be called, tricks with
//! the parts of a URL, and names that lead to such addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address as a user might enter it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) url: String,
    /// The addresses of its name, `DOMAIN`; empty if it has none.
    pub(super) answers: Vec<IpAddr>,
    /// The literal address in it.
    pub(super) literal: Option<IpAddr>,
}

/// The name that has the answers of a case.
pub(super) const DOMAIN: &str = "rebind.example";

const V4: [&str; 30] = [
    "0.0.0.0",
    "0.0.0.1",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.17.0.1",
    "172.31.255.254",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.99.100",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
];

const V6: [&str; 32] = [
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::2",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1:fffe::1",
    "64:ff9b:0:0:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2001:DB8:FFFF::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "8000::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "FDFF:ffff::1",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
];

/// The characters of a text moved to another block, such as full-width digits.
fn moved(text: &str, digit: char, dot: char) -> String {
    let base = u32::from(digit);
    let place = |c: char| match c.to_digit(10) {
        Some(value) => char::from_u32(base + value).unwrap(),
        None => dot,
    };
    text.chars().map(place).collect()
}

/// An IPv4 address in all notations that some program reads.
fn notations(four: Ipv4Addr) -> Vec<String> {
    let text = four.to_string();
    let [a, b, c, d] = four.octets();
    let bits = four.to_bits();
    let (high, low) = (bits >> 16, bits & 0xffff);
    let encoded: String = text
        .replace('1', "%31")
        .replace('2', "%32")
        .replace('.', "%2E");
    vec![
        text.clone(),
        format!("{text}."),
        format!("{bits}"),
        format!("{bits:#x}"),
        format!("0X{bits:08X}"),
        format!("0{bits:o}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0x{a:02X}.0x{b:02X}.0x{c:02X}.0x{d:02X}."),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("000{a:o}.000{b:o}.000{c:o}.000{d:o}"),
        format!("{a}.0x{b:x}.0{c:o}.{d}"),
        format!("{a}.{}", bits & 0x00ff_ffff),
        format!("{a}.{b}.{low}"),
        format!("{a:#x}.{:#x}", bits & 0x00ff_ffff),
        moved(&text, '\u{ff10}', '.'),
        moved(&text, '\u{ff10}', '\u{3002}'),
        moved(&text, '\u{ff10}', '\u{ff0e}'),
        moved(&text, '\u{1d7ce}', '.'),
        text.replace('.', "\u{3002}"),
        text.replace('.', "\u{ff61}"),
        text.replace('.', "%2e"),
        encoded,
        format!("[::ffff:{text}]"),
        format!("[::FFFF:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:ffff:{high:04x}:{low:04x}]"),
        format!("[64:ff9b::{text}]"),
        format!("[64:ff9b::{high:x}:{low:x}]"),
        format!("[2002:{high:x}:{low:x}::]"),
        format!("[2002:{high:x}:{low:x}::1]"),
        format!("[::{high:x}:{low:x}]"),
        format!("[::ffff:0:{high:x}:{low:x}]"),
    ]
}

/// The address to which a notation leads, as far as an allow list can mean it.
fn meant(notation: &str, four: Ipv4Addr) -> IpAddr {
    match notation.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
        Ok(six) => IpAddr::V6(six),
        Err(_) => IpAddr::V4(four),
    }
}

fn literals(cases: &mut Vec<Case>) {
    let mut add = |host: &str, literal: IpAddr| {
        for url in [
            format!("https://{host}/canary"),
            format!("https://{host}:443/canary"),
            format!("HTTPS://{host}:8443/canary?canary"),
            format!("http://{host}/canary"),
        ] {
            let literal = Some(literal);
            let answers = Vec::new();
            cases.push(Case {
                url,
                answers,
                literal,
            });
        }
    };
    for text in V4 {
        let four: Ipv4Addr = text.parse().unwrap();
        for notation in notations(four) {
            add(&notation, meant(&notation, four));
        }
    }
    for text in V6 {
        add(&format!("[{text}]"), text.parse().unwrap());
    }
}

/// Names whose addresses are those above, alone and beside an address of the internet.
fn names(cases: &mut Vec<Case>) {
    let public: [IpAddr; 2] = [
        IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
        IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 0, 0x1111)),
    ];
    let v4 = V4.map(|text| text.parse::<Ipv4Addr>().unwrap());
    let mapped = v4.map(|four| IpAddr::V6(four.to_ipv6_mapped()));
    let v6 = V6.map(|text| text.parse().unwrap());
    for bad in v4.map(IpAddr::V4).into_iter().chain(mapped).chain(v6) {
        for answers in [
            vec![bad],
            vec![public[0], bad],
            vec![bad, public[0]],
            vec![public[0], public[1], bad, public[0]],
        ] {
            let url = format!("https://{DOMAIN}/canary");
            let literal = None;
            cases.push(Case {
                url,
                answers,
                literal,
            });
        }
    }
}

/// Schemes that are not ours.
const SCHEMES: [&str; 24] = [
    "ftp",
    "file",
    "gopher",
    "dict",
    "ldap",
    "ldaps",
    "tftp",
    "sftp",
    "ssh",
    "ws",
    "wss",
    "data",
    "javascript",
    "jar",
    "netdoc",
    "smtp",
    "smb",
    "unix",
    "http+unix",
    "blob",
    "view",
    "about",
    "httpss",
    "h\u{442}tps",
];

/// Ports that are not 443.
const PORTS: [&str; 32] = [
    "0", "1", "21", "22", "23", "25", "53", "80", "110", "143", "444", "445", "465", "587", "2375",
    "3306", "5432", "6379", "8080", "8443", "9200", "10250", "11211", "27017", "65535", "65536",
    "99999", "-1", "+443", "0x1bb", "443x", "443:443",
];

/// Characters that parsers drop or escape.
const BREAKS: [&str; 10] = [
    "\r\n", "\n", "\r", "\t", " ", "\u{0}", "\u{b}", "\u{a0}", "\u{2028}", "\u{7f}",
];

/// Tricks with the other parts of a URL.
const OTHERS: [&str; 84] = [
    "",
    "canary",
    "~",
    "~/canary",
    "//~/canary",
    "/canary",
    "https",
    "https:",
    "https:/",
    "https://",
    "https:///",
    "https:///canary",
    "https:////~/canary",
    "https:~/canary",
    "https:/~/canary",
    "https:\\\\~\\canary",
    "https://~\\@127.0.0.1/canary",
    "https://~\\.localhost/",
    "https://@~/canary",
    "https://:@~/",
    "https://user@~/",
    "https://user:canary@~/",
    "https://~@127.0.0.1/",
    "https://127.0.0.1@~/canary",
    "https://~:canary@169.254.169.254/",
    "https://~%40127.0.0.1/",
    "https://~#canary",
    "https://~/#",
    "https://~/canary#@127.0.0.1/",
    "https://#~/",
    "https://?~/",
    "https://./",
    "https://../",
    "https://~../",
    "https://.~/",
    "https://a..~/",
    "https://*/",
    "https://*.~/",
    "https://~,127.0.0.1/",
    "https://~;127.0.0.1/",
    "https://~|127.0.0.1/",
    "https://~^/",
    "https://<~>/",
    "https://\"~\"/",
    "https://{~}/",
    "https://~%00.example/",
    "https://~%0d%0a/",
    "https://~%2f127.0.0.1/",
    "https://~%/",
    "https://[/",
    "https://[]/",
    "https://[~]/",
    "https://[::1/",
    "https://::1/",
    "https://[::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[v1.fe80]/",
    "https://256.1.1.1/",
    "https://1.2.3.4.5/",
    "https://0x100000000/",
    "https://4294967296/",
    "https://127.0.0.0x100/",
    "https://08.1/",
    "https://localhost/canary",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://localhost:443/",
    "https://a.localhost/",
    "https://localhos\u{ff54}/",
    "https://\u{24db}ocalhost/",
    "https://l\u{ad}ocalhost/",
    "https://localhost%2e/",
    "http://localhost/",
    "http://~/canary",
    "http://~:443/canary",
    "http://~:80/",
    "HTTP://~/",
    "https://xn--/",
    "https://xn--a/",
    "https://\u{202e}~/",
    "https://\u{3002}/",
    "https://~\u{2024}/",
    "https://\u{ff0f}~/",
    "https://~\u{2100}.example/",
];

/// Tricks with the parts of a URL. `~` is a host on the internet.
fn tricks(cases: &mut Vec<Case>) {
    let schemes = SCHEMES
        .iter()
        .flat_map(|scheme| [format!("{scheme}://~/canary"), format!("{scheme}:~/canary")]);
    let ports = PORTS.iter().map(|port| format!("https://~:{port}/canary"));
    let breaks = BREAKS.iter().flat_map(|bad| {
        [
            format!("https://~/canary{bad}X-Injected: 1"),
            format!("https://~{bad}.example/canary"),
            format!("https://~{bad}@127.0.0.1/canary"),
            format!("ht{bad}tps://~/canary"),
            format!("{bad}https://~/canary"),
            format!("https://~/canary{bad}"),
        ]
    });
    let long = [
        format!("https://~/{}", "a".repeat(2048)),
        format!("https://{}.example/canary", "a".repeat(64)),
        format!("https://{}example/canary", "a.".repeat(125)),
        format!("https://{}/canary", "\u{fc}".repeat(64)),
    ];
    let others = OTHERS.iter().map(ToString::to_string);
    for url in schemes.chain(ports).chain(breaks).chain(long).chain(others) {
        let url = url.replace('~', "hooks.example");
        let (answers, literal) = (Vec::new(), None);
        cases.push(Case {
            url,
            answers,
            literal,
        });
    }
}

/// All cases, no two of them the same.
pub(super) fn corpus() -> Vec<Case> {
    let mut cases = Vec::new();
    literals(&mut cases);
    names(&mut cases);
    tricks(&mut cases);
    let mut seen = std::collections::HashSet::new();
    cases.retain(|case| seen.insert((case.url.clone(), case.answers.clone())));
    cases
}
