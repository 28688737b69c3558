//! Arguments of `mlxk logs`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::values::whole;
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk logs                          # list the conversations
  mlxk logs 1                        # print the last one
  mlxk logs notes > notes.md
  mlxk logs 1 --json | jq -r '.data.conversation.messages[].content'
  mlxk logs notes --delete";

const PLACES: &str = "\
Chats are kept by themselves, the last 100 of them. Those saved with `/save` stay until you delete them. To keep \
none, use `mlxk chat --no-history`, or set `chat.no_history`.";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{PLACES}\n\n{EXAMPLES}"))]
pub(crate) struct LogsArgs {
    /// Conversation to print: its number in the list, its name or its file
    #[arg(add = ArgValueCompleter::new(complete::conversations))]
    pub name: Option<String>,

    /// List at most this many conversations
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "name", value_parser = whole::<usize>(1..=u64::MAX))]
    pub count: Option<usize>,

    /// Delete the conversation instead of printing it
    #[arg(long, requires = "name")]
    pub delete: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
