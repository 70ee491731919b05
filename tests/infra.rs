//! x
#[test]
fn grammar() {
    let mut p = tree_sitter::Parser::new();
    p.set_language(&tree_sitter_bicep::LANGUAGE.into()).unwrap();
    for f in std::env::var("BICEP").unwrap_or_default().split_whitespace() {
        let s = std::fs::read_to_string(f).unwrap();
        let t = p.parse(&s, None).unwrap();
        println!("{f} {} {}", t.root_node().has_error(), t.root_node().to_sexp());
    }
}
