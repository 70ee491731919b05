//! What the command line takes.

use std::ffi::OsString;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::exit;

/// Runs a program only while this machine leads an election; shows who leads; breaks a lead.
#[derive(Parser)]
#[command(name = "leader", version, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Arguments {
    #[command(subcommand)]
    pub action: Action,
    /// JSON instead of words: one object, or one per line
    #[arg(long, global = true)]
    pub json: bool,
    /// Tell the causes of errors, too
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// What stands in for options.
const VARIABLES: [(&str, &str); 3] =
    [("store", "LEADER_STORE_URL"), ("election", "LEADER_ELECTION"), ("credential", "LEADER_CREDENTIAL")];

impl Arguments {
    /// Those of this process; or the exit code, after help or a refusal was printed.
    pub fn read() -> Result<Self, u8> {
        let matched = command().try_get_matches().and_then(|mut matched| Self::from_arg_matches_mut(&mut matched));
        matched.map_err(|refusal| {
            // Help and version are no failures. Nobody may be there to read.
            if !refusal.use_stderr() {
                let _ = refusal.print();
                return 0;
            }
            let text = refusal.render().to_string();
            let mut shown = without_secrets(text, given());
            if names_no_election(&refusal) {
                shown.push_str("\n`leader list --store URL` shows the elections of a store.\n");
            }
            let _ = std::io::Write::write_all(&mut std::io::stderr(), shown.as_bytes());
            exit::USAGE
        })
    }
}

/// As it is declared, but that a variable which is set to nothing is none.
fn command() -> clap::Command {
    let empty = VARIABLES.iter().filter(|(_, name)| std::env::var_os(name).is_some_and(|value| value.is_empty()));
    let empty: Vec<_> = empty.map(|(option, _)| *option).collect();
    let mut command = Arguments::command();
    for action in ["run", "list", "status", "watch", "break", "check"] {
        command = command.mut_subcommand(action, |action| {
            action.mut_args(|argument| match empty.contains(&argument.get_id().as_str()) {
                true => argument.env(None::<&'static str>),
                false => argument,
            })
        });
    }
    command
}

fn names_no_election(refusal: &clap::Error) -> bool {
    let missing = match (refusal.kind(), refusal.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => missing.as_slice(),
        _ => &[],
    };
    missing.iter().any(|argument| argument.starts_with("--election"))
}

/// All that was given, on the command line or by the environment.
fn given() -> impl Iterator<Item = String> {
    let variables = VARIABLES.iter().filter_map(|(_, name)| std::env::var_os(name));
    std::env::args_os().chain(variables).map(|word| word.to_string_lossy().into_owned())
}

/// A refusal of the parser, which quotes what it refuses: a store's URL, say, whose option was forgotten.
fn without_secrets(mut text: String, given: impl Iterator<Item = String>) -> String {
    for word in given {
        let value = word.split_once('=').filter(|_| word.starts_with('-')).map_or(word.as_str(), |(_, value)| value);
        if !hides_nothing(value) {
            text = text.replace(value, "...");
        }
    }
    text
}

/// Whether a text that was given is too plain to be a secret: an option, a word, a number.
fn hides_nothing(text: &str) -> bool {
    const LONGEST: usize = 32;
    text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[derive(Subcommand)]
pub enum Action {
    /// Run a program, in any language, only while this worker leads
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// List the elections of a store, with who leads each
    #[command(after_help = LIST_HELP)]
    List(List),
    /// Tell who leads
    #[command(after_help = STATUS_HELP)]
    Status(Status),
    /// Show who leads, live, until interrupted
    Watch(Watch),
    /// Take the lead away from whoever has it, by force
    #[command(after_help = BREAK_HELP)]
    Break(Break),
    /// Check that a store does as the documentation says, and that rights, clock and latency fit
    #[command(after_help = CHECK_HELP)]
    Check(Check),
    /// See it work: three workers on this machine, a leader that is killed, and one that hands over
    Demo,
    /// The process between a leader and its command
    #[command(hide = true)]
    Guardian {
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
    /// What turns into the command, once the kernel is told to end it with the guardian
    #[command(hide = true)]
    Command {
        #[arg(long)]
        parent: u32,
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
    /// What the workers of the demo do while they lead
    #[command(hide = true)]
    DemoWork,
}

/// Where elections are kept.
#[derive(Args)]
pub struct Where {
    /// Where the election is kept: file:/dir, https://ACCOUNT.blob.core.windows.net/CONTAINER,
    /// https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER, rediss://HOST:10000, etcd://HOST:PORT;HOST:PORT, kube:NAMESPACE,
    /// sb://NAMESPACE.servicebus.windows.net/QUEUE, quorum:URL,URL,URL, or an emulator's URL (see `leader --help`)
    #[arg(long, value_name = "URL", env = "LEADER_STORE_URL", hide_env_values = true)]
    // Parsed later on: a refusal by the parser of arguments would show the text, in which a signature may stand.
    pub store: String,
    /// How to sign in to Azure. COSMOS_KEY in the environment signs in to Cosmos DB by key, REDIS_PASSWORD to Redis, ETCD_USER and ETCD_PASSWORD to etcd, SERVICEBUS_CONNECTION_STRING to Service Bus, a URL with `?...sig=` by signature
    #[arg(long, value_enum, default_value_t = Credential::DeveloperTools, env = "LEADER_CREDENTIAL", hide_env_values = true)]
    pub credential: Credential,
}

/// Which election.
#[derive(Args)]
pub struct Which {
    #[command(flatten)]
    pub place: Where,
    /// Its name; all workers of one election share store and name
    #[arg(long, value_name = "NAME", env = "LEADER_ELECTION", hide_env_values = true)]
    pub election: String,
}

/// How to sign in to Azure.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Credential {
    /// As you, by `az login` or `azd auth login`
    DeveloperTools,
    /// By the managed identity of this machine, app or pod; AZURE_CLIENT_ID names a user-assigned one
    ManagedIdentity,
    /// By the workload identity that Kubernetes gave this pod
    WorkloadIdentity,
}

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    pub which: Which,
    /// The program and its arguments, after `--`
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Name of this worker [default: CONTAINER_APP_REPLICA_NAME, or the machine's name (HOSTNAME), the process id and a random part]
    #[arg(long, value_name = "NAME")]
    pub holder: Option<String>,
    /// Length of the lease: 15s to 60s on a blob, 1s to 1h elsewhere. All other times follow from it
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time)]
    pub lease: Duration,
    /// How often to look whether the lead is free [default: a fifteenth of the lease]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub poll: Option<Duration>,
    /// How long before the end of its time the command gets SIGTERM [default: a fifth of the lease]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub grace: Option<Duration>,
    /// How long the command may take to end after a signal to this worker; the lease is kept meanwhile
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub drain: Duration,
    /// Lead once, and end with the command's exit code
    #[arg(long)]
    pub once: bool,
    /// Give up, with exit code 75, if another one leads when that time is up; 0s: at once. Of a file or Cosmos DB: as soon as
    /// the leader on record is seen to be alive; one that is not is replaced. 69, 77: the store gave no answer
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub wait: Option<Duration>,
    /// Also end when standard input ends, as it does when whoever started this worker is gone
    #[arg(long)]
    pub until_stdin_ends: bool,
    /// Tell no events
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    pub place: Where,
    /// Of files and Cosmos DB: how long to watch, at most, whether each leader on record still renews [default: not at all]
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = time)]
    pub wait: Duration,
    /// How long to wait for an answer of the store
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub timeout: Duration,
}

#[derive(Args)]
pub struct Status {
    #[command(flatten)]
    pub which: Which,
    /// Of a file or Cosmos DB: how long to watch, at most, whether the leader on record still renews; 0s to believe the record
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    pub wait: Duration,
    /// How long to wait for an answer of the store
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub timeout: Duration,
}

#[derive(Args)]
pub struct Watch {
    #[command(flatten)]
    pub which: Which,
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub every: Duration,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub limit: Option<Duration>,
}

#[derive(Args)]
pub struct Break {
    #[command(flatten)]
    pub which: Which,
    /// How long nobody may lead, so that the leader learns of it [default: the time its lease may still run, which is the most,
    /// too]. 0s lets another one lead at once, beside the old leader; a file and Cosmos DB know no other
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub period: Option<Duration>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// How long to wait for an answer of the store
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub timeout: Duration,
}

#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    pub place: Where,
    /// The lease that your workers will have: rights and latency are judged by it
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time)]
    pub lease: Duration,
    /// Do not ask before something is written
    #[arg(long)]
    pub yes: bool,
    /// Show the names of account, host and directory; without it, what is printed can go into a public issue
    #[arg(long)]
    pub show_names: bool,
}

/// A time such as `90s` or `2h`; no longer than clocks can count.
fn time(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    // What was given is not shown.
    let time = humantime::parse_duration(text).map_err(|_| "a time is a number and its unit, such as 90s, 5m or 2h")?;
    if time <= LONGEST { Ok(time) } else { Err("longer than 100 years".to_owned()) }
}

// Paragraphs are one line each, which is wrapped to the width of the terminal.

const AFTER_HELP: &str = "\
Stores:
  file:/var/lib/leases                a directory on a disk of this machine
  https://ACCOUNT.blob.core.windows.net/CONTAINER[?SIGNATURE]
                                      a container of blobs
  https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER
                                      a container of Cosmos DB
  kube:NAMESPACE                      Leases of Kubernetes: in a pod, or where KUBE_URL names a server
  etcd://HOST:PORT;HOST:PORT[/PREFIX] a cluster of etcd, by its members, in quotes
  http://127.0.0.1:10000/devstoreaccount1/CONTAINER
                                      the emulator Azurite
  http://127.0.0.1:8081/DATABASE/CONTAINER
                                      the emulator of Cosmos DB
  blob+https://... cosmos+https://... where a URL does not tell which

Exit codes:
   0  done
   1  nobody leads; or not confirmed
   2  the lease is held by something that is no worker of the election
  64  wrong arguments
  65  the store's record cannot be read
  69  the store cannot be reached
  70  a bug, or a failure of this machine
  71  the command could not be ended
  75  not led, or led too short: try again
  77  a right is missing, or signing in failed
  78  a setting that cannot work, or that names what does not exist
`leader run --help` has more of them.";

const RUN_HELP: &str = "\
The command finds LEADER_FENCING_TOKEN, LEADER_HOLDER and LEADER_ELECTION in its environment, and not LEADER_STORE_URL. Hand \
the token to whatever it writes to, and have that refuse a lower one: nothing else keeps out a leader that was suspended and wakes \
up.

It runs in a process group of its own, with an empty standard input. When the lease cannot be renewed, the group gets SIGTERM, \
and SIGKILL before anybody else can lead; also when `leader run` itself is killed, stopped or hangs. SIGTERM, SIGINT, SIGHUP and \
SIGQUIT are passed on, and end this worker when the command has ended; a second one kills the command. SIGUSR1, SIGUSR2 and \
SIGWINCH are passed on. One that the worker was started to ignore (nohup) stays ignored. What the command leaves running ends with it. The lease is released when nothing of it runs any more.

When the command ends by itself, this worker rests and contends again, ever more slowly if that repeats; with --once it ends, \
too.

Exit codes:
  with --once  the command's own, or 128 + the signal that ended it
  128 + n      signal n ended this worker: 130 after Ctrl-C, 143 after SIGTERM
  75           with --once, the lead was lost before the command had ended;
               with --wait, another worker leads
  71           the command runs as another user, and could not be ended; the
               lease is left to run out
  69, 77       with --wait, no attempt was answered, or none could sign in;
               without it, this worker goes on trying
  126, 127     the command could not be started, or was not found
  64 to 78     as in `leader --help`";

const STATUS_HELP: &str = "\
Exit codes: 0 somebody leads, or does so on record and was not watched for long enough, which a --wait longer than its lease \
excludes; 1 nobody leads, or the lead was broken; 2 the lease is held by something that is no worker of the election; others as in `leader --help`.";

const LIST_HELP: &str = "\
With --json, one object for each election. Exit codes: 0 there are elections; 1 there is none; others as in `leader --help`, also \
when one of them could not be looked at.";

const BREAK_HELP: &str = "\
The leader learns of it with its next renewal, which is refused, and then ends its work. The lease is not renewed any more, and \
another worker leads when it has run out: on a blob the service counts that time, or the --period; on a file or in Cosmos DB each \
waiting worker does. This command ends at once, and says how long that takes.";

const CHECK_HELP: &str = "\
It writes to elections of new names alone, leader-check-..., and removes them at the end, after Ctrl-C too. To remove blobs or \
documents takes the right to delete, which no election needs: without it, the names that are left are told. Nothing is asked of, or \
written to, any election of yours, but that all names are listed.

Each line has the number of a claim in docs/azure-claims.md, which has its source. The last lines are a table in Markdown: paste it \
into an issue when something differs.

Exit codes: 0 all is as documented; 1 something differs, and is named, or it was not confirmed; 69 a step got no answer; 77 a right is \
missing; 78 a setting of the store, or the latency, does not go with an election; others as in `leader --help`.";
