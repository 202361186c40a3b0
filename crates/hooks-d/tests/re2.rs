//! Go's dialect of regular expressions: where it differs from that of the crate regex, and that nothing else is taken.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use hooks_d::Pattern;
use proptest::prelude::*;

fn refusal(pattern: &str) -> String {
    match Pattern::new(pattern) {
        Ok(_) => panic!("{pattern:?} is accepted"),
        Err(reason) => reason,
    }
}

#[track_caller]
fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let compiled = Pattern::new(pattern).unwrap_or_else(|e| panic!("{pattern:?}: {e}"));
    for text in matching {
        assert!(
            compiled.is_match(text),
            "{pattern:?} does not match {text:?}"
        );
    }
    for text in others {
        assert!(!compiled.is_match(text), "{pattern:?} matches {text:?}");
    }
}

#[test]
fn patterns_are_not_anchored() {
    check("b", &["b", "abc"], &["", "a"]);
    check("^b$", &["b"], &["ab", "b\n", "a\nb"]);
    check("", &["", "x"], &[]);
}

#[test]
fn a_brace_that_begins_no_count_is_a_character() {
    check("a{", &["a{"], &["a"]);
    check("^a{,2}$", &["a{,2}"], &["a", "aa"]);
    check("^a{01}$", &["a{01}"], &["a"]);
    check("^a{1,x}$", &["a{1,x}"], &["a"]);
    check("^{a}$", &["{a}"], &["a"]);
}

#[test]
fn q_to_e_is_literal() {
    check(r"^\Qa.b*\E+$", &["a.b*", "a.b**"], &["axb*"]);
    check(r"^\Q(a", &["(a"], &["a"]);
    check(r"^a\Q\E*$", &["", "aa"], &["b"]);
}

#[test]
fn octal_escapes_are_characters() {
    check(r"^\123$", &["S"], &["\\123"]);
    check(r"^\0$", &["\0"], &["0"]);
    check(r"^\1011$", &["A1"], &["A"]);
    check(r"^[\101-\103]$", &["B"], &["D"]);
    assert_eq!(refusal(r"(a)\1"), r#"Go's RE2 has no backreferences: "\1""#);
    assert_eq!(refusal(r"\8"), r#"Go's RE2 has no backreferences: "\8""#);
}

#[test]
fn unicode_classes_are_negated_in_two_ways() {
    check(r"^\p{Greek}$", &["α"], &["a"]);
    check(r"^\p{^Greek}$", &["a"], &["α"]);
    check(r"^\P{^Greek}$", &["α"], &["a"]);
    check(r"^[\P{Greek}b]$", &["a", "b"], &["α"]);
    check(r"^\pL\PL$", &["a1"], &["1a"]);
    check(r"^\p{Any}\p{Letter}\p{lu}$", &["1aA"], &["1aa"]);
    check(r"^\p{Cs}$", &[], &["a"]);
    check(r"^\P{Cs}$", &["a"], &[]);
    for name in ["Alphabetic", "", "sc=Greek", "x{", "Γ"] {
        let reason = refusal(&format!("\\p{{{name}}}"));
        assert_eq!(
            reason,
            format!("\\p: Go's RE2 knows no category or script {name:?}")
        );
    }
    assert_eq!(refusal(r"\p{Greek"), r"\p{ is not closed");
}

#[test]
fn flags_of_other_dialects_are_refused() {
    for pattern in [
        "(?x)a", "(?u)a", "(?R)a", "(?i-)a", "(?-)", "(?i--s)", "(?i",
    ] {
        assert!(
            refusal(pattern).starts_with("unknown flags in \"(?"),
            "{pattern}"
        );
    }
    assert_eq!(refusal("(?=a)"), "Go's RE2 has no look-ahead (?=…)");
    assert_eq!(refusal("(?<!a)"), "Go's RE2 has no look-behind (?<!…)");
}

#[test]
fn flags_reach_to_the_end_of_their_group() {
    check("^(?i)a(?-i)b$", &["Ab", "ab"], &["aB"]);
    check("^(?:(?i)a|b)c$", &["Ac", "Bc"], &["aC"]);
    check("^(?i:a)b$", &["Ab"], &["AB"]);
    check("^(?)a(?U)b*?$", &["ab"], &["A"]);
    check("a.b", &["a-b"], &["a\nb"]);
    check("(?s)a.b", &["a\nb"], &[]);
    check("(?m)^b$", &["a\nb\nc"], &["a\nxb"]);
    check("^a(?i)*$", &["", "aaa"], &["A"]);
}

#[test]
fn possessive_and_stacked_repetitions_are_refused() {
    assert_eq!(
        refusal("a++"),
        r#""+" repeats a repetition, and Go's RE2 has no possessive ones"#
    );
    for pattern in ["a**", "a*+", "a{2}{3}", "a??*", "a{2}*?"] {
        assert!(
            refusal(pattern).contains("repeats a repetition"),
            "{pattern}"
        );
    }
    check("^(?:a*)*$", &["", "aa"], &["b"]);
    check("^a*?b+?c??$", &["aab", "bc"], &["c"]);
    for pattern in ["*", "a|*", "(+)", "(?i)?", "{2}{3}x*"] {
        let ok = Pattern::new(pattern);
        assert!(ok.is_err(), "{pattern}");
    }
}

#[test]
fn counts_above_1000_are_refused() {
    check("^a{3,5}$", &["aaa", "aaaaa"], &["aa", "aaaaaa"]);
    check("^a{2,}$", &["aa", "aaaaa"], &["a"]);
    check("^a{1000}$", &[&"a".repeat(1000)], &["a"]);
    for pattern in ["a{1001}", "a{2,1}", "a{1,99999999999}", "a{1001,}"] {
        assert!(
            refusal(pattern).contains("larger than 1000 or runs backwards"),
            "{pattern}"
        );
    }
    assert_eq!(
        refusal("((a{100})*){11}"),
        "nested counts multiply to more than 1000"
    );
    check("^((a{0}){10}b{10}){100}$", &[&"b".repeat(1000)], &["b"]);
}

#[test]
fn d_w_and_b_are_ascii() {
    check(r"^\d$", &["1"], &["١"]);
    check(r"^\D$", &["١"], &["1"]);
    check(r"^\w$", &["a", "_"], &["é"]);
    check(r"^\W$", &["é"], &["a"]);
    check(r"\ba\b", &["éaé", "a"], &["ba"]);
    check(r"^a\Ba", &["aa"], &["a-a"]);
    check(r"^é\B", &["éé", "é-"], &["éa"]);
    check(r"^[\d\W]$", &["1", "é"], &["a"]);
}

#[test]
fn s_has_no_vertical_tab() {
    check(
        r"^\s$",
        &[" ", "\t", "\n", "\x0c", "\r"],
        &["\x0b", "\u{a0}"],
    );
    check(r"^\S$", &["\x0b", "\u{a0}"], &[" "]);
    check("^[[:space:]]$", &["\x0b"], &["\u{a0}"]);
}

#[test]
fn brackets_have_no_operations() {
    check("^[a-z&&b]$", &["a", "&", "b"], &["A"]);
    check("^[[a]b]$", &["[b]", "ab]"], &["a", "b"]);
    check("^[+--]$", &["+", ",", "-"], &["."]);
    check("^[a~~b]$", &["~"], &["c"]);
    check("^[]a]$", &["]", "a"], &["b"]);
    check("^[^]a]$", &["b", "\n"], &["]", "a"]);
    check("^[a-]$", &["-"], &["b"]);
    check(r"^[\d-z]$", &["-", "z", "1"], &["a"]);
    check("^[[:alpha:][:^ascii:]]$", &["a", "é"], &["1"]);
    check("^[[:a]$", &["[", ":", "a"], &["b"]);
    for (pattern, reason) in [
        ("[a", r#"a bracket "[" is not closed"#),
        ("[]", r#"a bracket "[" is not closed"#),
        ("[z-a]", r#"the range "z-a" runs backwards"#),
        ("[[:foo:]]", r#"unknown class "[:foo:]""#),
        (r"[\b]", r#"unknown escape "\b""#),
        (r"[a-\d]", r#"unknown escape "\d""#),
    ] {
        assert_eq!(refusal(pattern), reason, "{pattern}");
    }
}

#[test]
fn escaped_signs_are_themselves() {
    check(r"^\<a\>$", &["<a>"], &["a"]);
    check(r"^\_\-\&\ $", &["_-& "], &[]);
    check(r"^\x41\x{42}\x{1F600}$", &["AB😀"], &[]);
    check(r"^\a\f\t\n\r\v$", &["\x07\x0c\t\n\r\x0b"], &[]);
    check(r"\Aa\z", &["a"], &["a\n"]);
    check(
        r"^\x{d800}|[\x{d800}-\x{e000}]$",
        &["\u{e000}"],
        &["\u{d7ff}"],
    );
    for pattern in [
        r"\e",
        r"\é",
        r"\x4",
        r"\x{}",
        r"\x{110000}",
        r"\Z",
        r"\C",
        r"\h",
        "a\\",
    ] {
        refusal(pattern);
    }
    assert_eq!(
        refusal(r"a\Z"),
        r#"Go's RE2 has no "\Z", the end of the text is "\z""#
    );
}

#[test]
fn letters_in_any_case_are_folded_as_in_go() {
    check(r"^(?i)\w$", &["ſ", "\u{212a}"], &["é"]);
    check(r"^(?i)\W$", &["é"], &["ſ", "\u{212a}"]);
    check(r"^(?i)[^k]$", &["x"], &["K", "\u{212a}"]);
    check(r"^(?i)\p{Lu}$", &["a", "A"], &["1"]);
    check(r"^(?i)straße$", &["STRAẞE"], &["STRASSE"]);
}

#[test]
fn groups_may_be_named_and_must_be_closed() {
    check("^(?P<a>x)(?<b_1>y)(?P<a>z)$", &["xyz"], &[]);
    check("^()(|a)()$", &["", "a"], &["b"]);
    for pattern in [
        "(",
        "(a",
        ")",
        "a)",
        "(?P<a)",
        "(?P<>a)",
        "(?<a b>x)",
        "(?P<é>x)",
    ] {
        refusal(pattern);
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let deep = |n| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    check(&deep(80), &["a"], &["b"]);
    check(
        &format!("{}a{}", "(?:(?i:x|".repeat(30), "))*".repeat(30)),
        &["a"],
        &[],
    );
    check(&format!("a{}", "*(?i)".repeat(50)), &["a"], &[]);
    for pattern in [
        deep(1000),
        format!("a{}", "*(?i)".repeat(1000)),
        "(".repeat(100_000),
    ] {
        let reason = refusal(&pattern);
        assert!(
            [
                "is nested deeper than 250 levels",
                "a parenthesis \"(\" is not closed"
            ]
            .contains(&&*reason),
            "{reason}"
        );
    }
    let large = format!("(?:{}){{1000}}", r"\pL\pN\pS".repeat(10));
    assert!(
        refusal(&large).starts_with("needs more than "),
        "{}",
        refusal(&large)
    );
}

#[test]
fn a_pattern_that_is_a_text_matches_as_any_other() {
    check("a.*", &["xa", "a\n"], &["b"]);
    check("^a.*$", &["ab"], &["a\n", "xa"]);
    check(".*a", &["\na"], &["b"]);
    check("^.*a", &["xa"], &["x\na"]);
    check("x?$", &["", "y"], &[]);
    check("$", &["", "y"], &[]);
    check("^", &["", "y"], &[]);
    check("^$", &[""], &["y"]);
    check("$^", &[""], &["y"]);
    check("b?a+", &["a"], &["b"]);
    check("a|", &["", "b"], &[]);
}

/// Each line of the file is a random pattern with the answers of Go 1.19 for some texts, or null where Go refuses it.
#[test]
fn answers_are_those_of_go() {
    let cases = include_str!("data/go-regexp.jsonl").lines();
    let mut count = 0;
    for line in cases {
        let (pattern, answers): (String, Option<BTreeMap<String, bool>>) =
            serde_json::from_str(line).unwrap();
        let compiled = Pattern::new(&pattern).ok();
        let ours = compiled.map(|compiled| {
            let texts = answers.iter().flat_map(BTreeMap::keys);
            texts
                .map(|text| (text.clone(), compiled.is_match(text)))
                .collect()
        });
        assert_eq!(ours, answers, "{pattern:?}");
        count += 1;
    }
    assert_eq!(count, 400);
}

/// Pieces from which most patterns of some meaning can be made.
fn patterns() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "a",
            "B",
            "é",
            "{",
            "}",
            "{2}",
            "{1,3}",
            "{,2}",
            "{0,}",
            "(",
            ")",
            "(?:",
            "(?i)",
            "(?i:",
            "(?-s)",
            "(?P<n>",
            "|",
            "*",
            "+",
            "?",
            "^",
            "$",
            ".",
            "[",
            "[^",
            "]",
            "-",
            "[:alpha:]",
            "[:^word:]",
            "&&",
            "~~",
            "\\",
            "\\d",
            "\\W",
            "\\s",
            "\\b",
            "\\B",
            "\\A",
            "\\z",
            "\\Q",
            "\\E",
            "\\pL",
            "\\p{Greek}",
            "\\P{^Lu}",
            "\\x41",
            "\\x{d800}",
            "\\x{dfff}",
            "\\x{10ffff}",
            "\\0",
            "\\123",
            "\\1",
            "\\<",
            "#",
            " ",
            "\n",
            "/",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_translated_compiles(pattern in patterns()) {
        if let Err(reason) = Pattern::new(&pattern) {
            prop_assert!(!reason.contains("cannot be compiled"), "{pattern:?}: {reason}");
            prop_assert!(!reason.contains('\n'));
        }
    }

    #[test]
    fn a_quoted_text_matches_itself_alone(text in "[^\\\\]{0,8}", other in "[^\\\\]{0,8}") {
        let pattern = Pattern::new(&format!("^\\Q{text}\\E$")).unwrap();
        prop_assert!(pattern.is_match(&text));
        prop_assert_eq!(pattern.is_match(&other), text == other);
    }
}
