//! Links and blocks of code in Markdown, as far as the documents here use it.

use std::fs;
use std::path::Path;

/// A fenced block of code.
pub struct Block<'a> {
    /// What stands behind the fence, such as `rust,no_run`.
    pub language: &'a str,
    pub lines: Vec<&'a str>,
}

pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some(Block { language, lines: Vec::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.lines.push(line);
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The faults of a document's links, each with its line.
pub fn dead(root: &Path, document: &str, text: &str) -> Vec<String> {
    let prose = prose(text);
    let fault = |at: usize, what: String| format!("{document}:{}: {what}", prose[..at].matches('\n').count() + 1);
    let inline = targets(&prose).into_iter().filter_map(|(at, target)| {
        let (path, heading) = target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
        if target.starts_with("https://") || target.starts_with("http://") {
            return None;
        }
        let linked = match path {
            "" => text.to_owned(),
            path => {
                let file = root.join(document).parent()?.join(path);
                match fs::read(&file) {
                    Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    Err(_) if file.is_dir() => String::new(),
                    Err(_) => return Some(fault(at, format!("no such file: {target}"))),
                }
            }
        };
        let found = heading.is_none_or(|heading| headings(&linked).iter().any(|known| known == heading));
        (!found).then(|| fault(at, format!("no such heading: {target}")))
    });
    // `[`Name`]` alone is a link in rustdoc, and brackets everywhere else.
    let shortcuts = prose.match_indices("[`").filter_map(|(at, _)| {
        let end = at + prose[at..].find("`]")? + 2;
        (!prose[at..end].contains("](") && !prose[end..].starts_with('('))
            .then(|| fault(at, format!("no target: {}", &prose[at..end])))
    });
    inline.chain(shortcuts).collect()
}

/// Targets that only one of the places where the text is shown can resolve.
pub fn bound_to_a_place(text: &str) -> Vec<String> {
    let prose = prose(text);
    let everywhere = |target: &str| ["https://", "http://", "#"].iter().any(|begin| target.starts_with(begin));
    targets(&prose).into_iter().map(|(_, target)| target.to_owned()).filter(|target| !everywhere(target)).collect()
}

/// Where each target begins, and the target.
fn targets(prose: &str) -> Vec<(usize, &str)> {
    let begins = prose.match_indices("](").map(|(at, found)| at + found.len());
    begins.filter_map(|at| Some((at, &prose[at..at + prose[at..].find(')')?]))).collect()
}

/// The text with code blanked out, but for spans that are the words of a link: what stands in code is no link.
fn prose(text: &str) -> String {
    let mut prose = String::new();
    let mut in_block = false;
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        if !in_block && !fence {
            let mut code = false;
            for (part, next) in line.split('`').zip(line.split('`').skip(1).map(Some).chain([None])) {
                match code {
                    false => prose.push_str(part),
                    true => prose.extend(part.chars().map(|c| if "[]()".contains(c) { '.' } else { c })),
                }
                if next.is_some() {
                    prose.push('`');
                }
                code = !code;
            }
        }
        prose.push('\n');
    }
    prose
}

/// The anchors that GitHub and rustdoc make of a document's headings.
fn headings(text: &str) -> Vec<String> {
    let heads = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    heads
        .map(|head| {
            let kept =
                head.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
            kept.replace(' ', "-")
        })
        .collect()
}
