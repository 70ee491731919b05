//! How a text speaks of an invariant.

/// A line `// Invariant 4: …`, or `// Invariants 1 and 3: …`.
pub struct Citation {
    pub line: String,
    pub numbers: Vec<u32>,
    /// It says something, and stands before code.
    pub is_sound: bool,
}

/// What a fault is planted for.
#[derive(Debug, PartialEq, Eq)]
pub enum Aim {
    Invariant(u32),
    /// The promise of a resource behind a fence.
    Fencing,
    Unknown,
}

/// The numbers of the list below the heading `# Invariants` of a module's documentation.
pub fn list(source: &str) -> Vec<u32> {
    let documentation = source.lines().map_while(|line| line.strip_prefix("//!"));
    let section = documentation.skip_while(|line| line.trim() != "# Invariants").skip(1);
    let section = section.take_while(|line| !line.trim_start().starts_with('#'));
    section.filter_map(|line| line.trim_start().split_once(". ")?.0.parse().ok()).collect()
}

/// Those of a source, without its tests: they enforce nothing.
pub fn citations(source: &str) -> Vec<Citation> {
    let lines: Vec<_> = source.lines().map(str::trim).take_while(|line| !is_test_begun(line)).collect();
    let cited = |(at, line): (usize, &&str)| {
        let rest = line.strip_prefix("// Invariant")?;
        let (numbers, said) = rest.split_once(':').unwrap_or((rest, ""));
        let code = lines[at..].iter().find(|line| !line.starts_with("//"));
        let has_words = |text: &str| text.chars().any(char::is_alphanumeric);
        let numbers = numbers_of(numbers);
        let is_sound = !numbers.is_empty() && has_words(said) && code.is_some_and(|code| has_words(code));
        Some(Citation { line: (*line).to_owned(), numbers, is_sound })
    };
    lines.iter().enumerate().filter_map(cited).collect()
}

fn is_test_begun(line: &str) -> bool {
    line == "#[cfg(test)]" || line == "#[test]"
}

/// The invariants that tests bear in their names, `fn invariant_4_…` or `fn invariants_1_and_2_…`, or name in their documentation.
pub fn tests(text: &str) -> Vec<u32> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let mut numbers = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((_, name)) = line.split_once("fn ") else { continue };
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
        let (attributes, documentation): (Vec<&str>, Vec<&str>) = above.partition(|line| line.starts_with("#["));
        if !attributes.iter().any(|attribute| attribute.contains("test")) {
            continue;
        }
        numbers.extend(borne(name));
        numbers.extend(documentation.iter().flat_map(|line| {
            let line = line.to_lowercase();
            line.match_indices("invariant ")
                .filter_map(|(at, word)| leading_number(&line[at + word.len()..]))
                .collect::<Vec<_>>()
        }));
    }
    numbers
}

/// The numbers in the name of a test. One that is of all invariants, `invariants_1_to_16_…`, is of none in particular.
fn borne(name: &str) -> Vec<u32> {
    let Some(rest) = name.strip_prefix("invariant_").or_else(|| name.strip_prefix("invariants_")) else {
        return vec![];
    };
    let mut words = rest.split('_');
    let mut numbers: Vec<u32> = words.next().and_then(|word| word.parse().ok()).into_iter().collect();
    for word in words {
        match word.parse() {
            Ok(number) => numbers.push(number),
            Err(_) if word == "and" => {}
            Err(_) if word == "to" => return vec![],
            Err(_) => break,
        }
    }
    numbers
}

/// The first that the head of a patch names; the head ends with the first empty line.
pub fn planted_for(patch: &str) -> Aim {
    let mut head = patch.lines().take_while(|line| !line.is_empty());
    let named = head.find_map(|line| line.strip_prefix("Invariant:")).unwrap_or_default();
    match named.split(',').next().unwrap_or_default().trim() {
        "fencing" => Aim::Fencing,
        number => number.parse().map_or(Aim::Unknown, Aim::Invariant),
    }
}

fn numbers_of(text: &str) -> Vec<u32> {
    text.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

fn leading_number(text: &str) -> Option<u32> {
    text.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[test]
fn the_list_is_what_stands_below_its_heading() {
    let source = "//! Text. 1. no\n//! # Invariants\n//!\n//!  1. One. 2. no\n//!     more of it\n//! 12. Twelve.\n//!\n//! # Else\n//! 3. no\nmod x;\n";
    assert_eq!(list(source), [1, 12]);
    assert!(list("//! 1. a list of another kind\n").is_empty());
}

#[test]
fn a_citation_says_something_and_stands_before_code() {
    let sound = |source: &str| {
        citations(source).iter().map(|citation| (citation.numbers.clone(), citation.is_sound)).collect::<Vec<_>>()
    };
    assert_eq!(sound("  // Invariant 4: why\n  // and more\n  cancel();\n"), [(vec![4], true)]);
    assert_eq!(sound("// Invariants 1, 3 and 12: why\nlet x = 1;\n"), [(vec![1, 3, 12], true)]);
    assert_eq!(sound("// Invariant 4: why\n// Invariant 5: why\ncode()"), [(vec![4], true), (vec![5], true)]);
    for unsound in ["// Invariant 4\ncode();", "// Invariant 4: \ncode();", "// Invariant: why\ncode();"] {
        assert!(sound(unsound).iter().all(|(_, sound)| !sound), "{unsound}");
    }
    for unsound in ["// Invariant 4: why\n\ncode();", "// Invariant 4: why\n}\ncode();", "// Invariant 4: why"] {
        assert!(sound(unsound).iter().all(|(_, sound)| !sound), "{unsound}");
    }
    assert!(sound("/// as of invariant 4: no\n//! Invariant 4: no\nlet x = \"Invariant 4: no\";").is_empty());
    assert!(sound("#[cfg(test)]\nmod tests {\n// Invariant 4: no\nfn x() {}\n}").is_empty());
}

#[test]
fn a_test_names_an_invariant_in_its_name_or_in_its_documentation() {
    assert_eq!(tests("#[test]\nfn invariant_12_it_holds() {}\n"), [12]);
    assert_eq!(tests("    #[tokio::test(start_paused = true)]\n    async fn invariant_4_it_holds() {}\n"), [4]);
    assert_eq!(tests("/// Invariant 5, and invariant 6.\n#[test]\nfn it_holds() {}\n"), [5, 6]);
    assert_eq!(tests("#[test]\nfn invariants_1_and_2_hold_for_3_hosts() {}\n"), [1, 2]);
    assert!(tests("fn invariant_12_helper() {}\n").is_empty(), "no test");
    assert!(tests("#[test]\nfn invariants_1_to_16_hold() {}\n").is_empty(), "of all is of none");
    assert!(tests("/// Invariant 5.\nstruct X;\n\n#[test]\nfn it_holds() {}\n").is_empty());
}

#[test]
fn a_fault_is_planted_for_what_its_head_names_first() {
    assert_eq!(planted_for("Fault: x\nInvariant: 12, 3\n\ndiff"), Aim::Invariant(12));
    assert_eq!(planted_for("Fault: x\nInvariant: fencing\n\ndiff"), Aim::Fencing);
    assert_eq!(planted_for("Fault: x\n\nInvariant: 12\n"), Aim::Unknown, "below the head");
}
