//! What is traced by all crates of this process, and what is shown.

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::sync::{Mutex, OnceLock};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

static RECORD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Records from here on all that is traced at any level, and every span's begin, entry, exit and end with its fields.
pub fn start() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        // Also takes what is written by the `log` facade.
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(|| Writer)
            .init();
    });
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        RECORD.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Records what a program could print of an error: its text, its `Debug`, and those of all its causes.
pub fn show(error: &(dyn Error + 'static)) {
    let mut at = Some(error);
    while let Some(error) = at {
        note(&format!("shown: {error}\nshown: {error:?}\nshown: {error:#?}\n"));
        at = error.source();
    }
}

/// Records what a program could print of anything else.
pub fn show_debug(anything: &dyn Debug) {
    note(&format!("shown: {anything:?}\nshown: {anything:#?}\n"));
}

/// Records a text.
pub fn note(text: &str) {
    RECORD.lock().expect("not poisoned").extend_from_slice(text.as_bytes());
}

/// All of it, up to now.
pub fn recorded() -> Recorded {
    let text = String::from_utf8_lossy(&RECORD.lock().expect("not poisoned")).into_owned();
    Recorded { lower: text.to_ascii_lowercase(), text }
}

pub struct Recorded {
    text: String,
    lower: String,
}

impl Recorded {
    /// The lines with this form, whatever its case; the first few of them.
    pub fn find(&self, form: &str) -> Option<String> {
        self.find_beyond("", form)
    }

    /// Likewise, but for the traces of one module.
    pub fn find_beyond(&self, module: &str, form: &str) -> Option<String> {
        let (form, traced) = (form.to_ascii_lowercase(), format!(" {module}: "));
        if !self.lower.contains(&form) {
            return None;
        }
        let lines = self.lower.lines().zip(self.text.lines());
        let hits =
            lines.filter(|(lower, line)| lower.contains(&form) && (module.is_empty() || !line.contains(&traced)));
        let hits: Vec<_> = hits.map(|(_, line)| line).take(8).collect();
        (!hits.is_empty()).then(|| hits.join("\n"))
    }

    /// Whether a crate has traced anything.
    pub fn has_traces_of(&self, target: &str) -> bool {
        self.text.lines().any(|line| line.contains(&format!(" {target}")))
    }
}
