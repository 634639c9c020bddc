//! `hookherd demo`: the main job, played on this machine, with every step said in plain words.

mod play;
mod sink;
mod stage;

use super::failed::CommandResult;
use super::output::Printer;
use stage::Stage;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Exit at the end: status 0 if every step passed, 1 otherwise.
    #[arg(long)]
    exit: bool,
}

pub(super) fn run(args: &Args, printer: Printer) -> CommandResult {
    actix::System::new().block_on(async {
        let stage = Stage::set(printer).await?;
        let played = play::play(&stage).await;
        match &played {
            Ok(()) => printer.say("\nEvery step passed."),
            Err(why) => printer.say(&format!("\nThe demo failed: {why}")),
        }
        if !args.exit {
            let (url, token) = (&stage.url, &stage.token);
            printer.say(&format!(
                "\nThe API stays open at {url} until Ctrl-C. Try, in another terminal:\n\n  \
                 export HOOKHERD_URL={url} HOOKHERD_TOKEN={token}\n  \
                 hookherd connections\n  hookherd incidents\n  hookherd deliveries\n  \
                 curl -H \"Authorization: Bearer $HOOKHERD_TOKEN\" {url}/metrics\n"
            ));
            tokio::signal::ctrl_c().await?;
        }
        stage.strike().await;
        played
    })
}
