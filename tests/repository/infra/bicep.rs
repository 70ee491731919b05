//! A Bicep file and its syntax tree.

use std::path::Path;

use tree_sitter::{Node, Parser, Tree};

/// A text as it is in the repository: a checkout on Windows can have other ends of lines.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().replace("\r\n", "\n")
}

pub struct Bicep {
    /// Below `infra`.
    pub path: String,
    pub text: String,
    tree: Tree,
}

impl Bicep {
    pub fn new(path: &str, text: String) -> Self {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_bicep::LANGUAGE.into()).unwrap();
        let tree = parser.parse(&text, None).unwrap();
        Self { path: path.to_owned(), text, tree }
    }

    /// All files of a folder and its folders.
    pub fn read_all(folder: &Path) -> Vec<Self> {
        fn collect(root: &Path, folder: &Path, into: &mut Vec<Bicep>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(root, &path, into);
                } else if path.extension().is_some_and(|extension| extension == "bicep") {
                    let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                    into.push(Bicep::new(&name, read(&path)));
                }
            }
        }
        let mut files = Vec::new();
        collect(folder, folder, &mut files);
        files
    }

    /// What the grammar does not allow, as `file:line: what`.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        each(self.tree.root_node(), &mut |node| {
            let line = node.start_position().row + 1;
            if node.is_missing() {
                faults.push(format!("{}:{line}: missing {}", self.path, node.kind()));
            } else if node.is_error() {
                let text = self.text_of(node).lines().next().unwrap_or_default();
                faults.push(format!("{}:{line}: cannot be parsed: {text}", self.path));
            }
        });
        faults
    }

    /// The resources of this type that the file deploys.
    pub fn resources(&self, kind: &str) -> Vec<Node<'_>> {
        let head = format!("'{kind}@");
        let deploys = |node: &Node<'_>| {
            let first = self.text_of(*node).lines().find(|line| line.starts_with("resource ")).unwrap_or_default();
            first.contains(&head) && !first.contains(" existing ")
        };
        self.of_kind("resource_declaration").into_iter().filter(deploys).collect()
    }

    /// The values of this property, wherever it stands below `node`.
    pub fn values<'a>(&'a self, node: Node<'a>, property: &str) -> Vec<&'a str> {
        let mut values = Vec::new();
        each(node, &mut |node| {
            if node.kind() == "object_property"
                && node.named_child(0).is_some_and(|key| self.text_of(key) == property)
                && let Some(value) = node.named_child(1)
            {
                values.push(self.text_of(value));
            }
        });
        values
    }

    /// The names of what is declared with this keyword, such as `param`.
    pub fn names(&self, keyword: &str) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix(keyword)?.strip_prefix(' ')?.split(' ').next()).collect()
    }

    /// The lines that declare a parameter: its decorators and itself.
    pub fn parameter(&self, name: &str) -> String {
        let lines: Vec<&str> = self.text.lines().collect();
        let at = lines.iter().position(|line| line.starts_with(&format!("param {name} "))).unwrap();
        let start = lines[..at].iter().rposition(|line| line.is_empty()).map_or(0, |blank| blank + 1);
        lines[start..=at].join("\n")
    }

    pub fn root(&self) -> Node<'_> {
        self.tree.root_node()
    }

    fn of_kind(&self, kind: &str) -> Vec<Node<'_>> {
        let mut nodes = Vec::new();
        each(self.tree.root_node(), &mut |node| {
            if node.kind() == kind {
                nodes.push(node);
            }
        });
        nodes
    }

    fn text_of(&self, node: Node<'_>) -> &str {
        &self.text[node.byte_range()]
    }
}

fn each<'a>(node: Node<'a>, see: &mut impl FnMut(Node<'a>)) {
    see(node);
    let mut cursor = node.walk();
    let children: Vec<Node<'a>> = node.children(&mut cursor).collect();
    for child in children {
        each(child, see);
    }
}
