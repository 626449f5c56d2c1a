//! `flightline explain`: why something was accepted or refused.

use clap::{Args, Subcommand};
use flightline_runtime::control::{self, Answer, Question};
use flightline_runtime::offline;
use serde_json::Value;

use super::{print, print_line};
use crate::cli::ConfigArgs;
use crate::config::Overrides;

#[derive(Debug, Subcommand)]
pub(crate) enum ExplainCommand {
    /// A command by its id: the text that the client gave, or 32 hexadecimal digits.
    Command(CommandArgs),
    /// An order by its id or booking reference: each decision, and what its flights saw.
    Order(OrderArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OrderArgs {
    /// The order's id (ord_…) or booking reference.
    id: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CommandArgs {
    /// The id.
    id: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) fn run(command: &ExplainCommand) -> anyhow::Result<()> {
    match command {
        ExplainCommand::Command(args) => explain_command(args),
        ExplainCommand::Order(args) => explain_order(args),
    }
}

fn explain_order(args: &OrderArgs) -> anyhow::Result<()> {
    let config = args.config.load(Overrides::default())?;
    let runtime = super::serve::async_runtime()?;
    let question = Question::ExplainOrder(args.id.clone());
    let order = match runtime.block_on(control::ask(&config.data_dir, &question))? {
        Some(Answer::Order(order)) => order,
        Some(Answer::Failed(why)) => anyhow::bail!(why),
        Some(_) => anyhow::bail!("the replica answered something else"),
        None => offline::explain_order(&config.data_dir, &args.id)?,
    };
    anyhow::ensure!(
        !order.is_null(),
        "there is no order '{}', or it is over and was forgotten",
        args.id
    );
    if args.json {
        return print_line(&serde_json::to_string_pretty(&order)?);
    }
    let mut text = String::new();
    describe_order(&order, &mut text);
    print(text.as_bytes())
}

/// An order for people: what was decided, in order, and for seats what the flight saw.
fn describe_order(order: &Value, t: &mut String) {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    t.push_str(&format!(
        "{} ({}) is {}",
        text(&order["order_id"]),
        text(&order["booking_reference"]),
        text(&order["state"])
    ));
    if let Some(cause) = order["cause"]["name"].as_str() {
        t.push_str(&format!(", because of {cause}"));
        if let Some(code) = order["cause"]["code"].as_str() {
            t.push_str(&format!(" ({code})"));
        }
    }
    t.push('\n');
    for placement in order["placements"].as_array().into_iter().flatten() {
        t.push_str(&format!(
            "{} at {}: {}",
            text(&placement["flight_key"]),
            text(&placement["provider"]),
            text(&placement["state"])
        ));
        if let Some(reference) = placement["reference"].as_str() {
            t.push_str(&format!(", its reference is {reference}"));
        }
        if let Some(code) = placement["code"].as_str() {
            t.push_str(&format!(", it last refused with {code}"));
        }
        t.push('\n');
    }
    for step in order["steps"].as_array().into_iter().flatten() {
        let reason = step["reason"]
            .as_str()
            .or_else(|| step["detail"].as_str())
            .map_or(String::new(), |r| format!(" ({r})"));
        let about = match (&step["flight"]["decision"]["flight"], &step["flight_key"]) {
            (Value::String(flight), _) | (_, Value::String(flight)) => format!(" {flight}"),
            _ => String::new(),
        };
        t.push_str(&format!(
            "{} at {}: {}{about}: {}{reason}; now {}\n",
            text(&step["offset"]),
            text(&step["at"]),
            text(&step["what"]),
            text(&step["outcome"]),
            text(&step["state"])
        ));
        let flight = &step["flight"];
        if flight.is_object() {
            let explanation = serde_json::json!({
                "entry": flight["decision"],
                "inventory_before": flight["inventory_before"],
                "led_there": flight["led_there"],
            });
            let mut inner = String::new();
            describe(&explanation, &mut inner);
            for line in inner.lines() {
                t.push_str(&format!("  {line}\n"));
            }
        }
    }
    if let Some(left_out) = order["steps_left_out"].as_u64().filter(|n| *n > 0) {
        t.push_str(&format!(
            "{left_out} decisions in the middle are left out; flightline.decision has them\n"
        ));
    }
}

fn explain_command(args: &CommandArgs) -> anyhow::Result<()> {
    let config = args.config.load(Overrides::default())?;
    let runtime = super::serve::async_runtime()?;
    let question = Question::Explain(args.id.clone());
    let all = match runtime.block_on(control::ask(&config.data_dir, &question))? {
        Some(Answer::Explained(all)) => all,
        Some(Answer::Failed(why)) => anyhow::bail!(why),
        Some(_) => anyhow::bail!("the replica answered something else"),
        None => offline::explain(&config.data_dir, &args.id)?,
    };
    anyhow::ensure!(
        !all.is_empty(),
        "no command about a flight has the id '{}'; holds are known by the id that the client gave, confirmations and the like by 32 hexadecimal digits (flightline.decision.command_id)",
        args.id
    );
    if args.json {
        return print_line(&serde_json::to_string_pretty(&all)?);
    }
    let mut text = String::new();
    for explanation in &all {
        describe(explanation, &mut text);
    }
    print(text.as_bytes())
}

/// One explanation for people.
fn describe(explanation: &Value, t: &mut String) {
    t.push_str(&line_of(&explanation["entry"]));
    let inventory = explanation["inventory_before"].as_array();
    match inventory.filter(|lines| !lines.is_empty()) {
        None => t.push_str("  the flight was unknown at that point\n"),
        Some(lines) => {
            t.push_str("  inventory just before:\n");
            for line in lines {
                let text = |name: &str| match &line[name] {
                    Value::Null => "-".to_owned(),
                    Value::String(s) => s.clone(),
                    other => other.to_string(),
                };
                t.push_str(&format!(
                    "    {} leg {} cabin {} class {}: authorised {}, held {}, sold {}, available {}, {}\n",
                    text("provider"), text("leg_no"), text("cabin"), text("class"), text("authorised"),
                    text("held"), text("sold"), text("available"), text("status")
                ));
            }
        }
    }
    let led = explanation["led_there"].as_array();
    if let Some(entries) = led.filter(|e| !e.is_empty()) {
        t.push_str("  what led there (the last that changed something):\n");
        for entry in entries {
            t.push_str("  ");
            t.push_str(&line_of(entry));
        }
    }
}

fn line_of(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
    let reason = entry["reason"]
        .as_str()
        .map_or(String::new(), |r| format!(" ({r})"));
    let replay = match entry["replay"].as_str() {
        Some("first") | None => String::new(),
        Some(other) => format!(", replay: {other}"),
    };
    let mut line = format!(
        "  {} at {} by {}: {} {}: {}{reason}{replay}\n",
        text("offset"),
        text("at"),
        text("actor"),
        text("kind"),
        text("id"),
        text("outcome")
    );
    for effect in entry["side_effects"].as_array().into_iter().flatten() {
        line.push_str(&format!(
            "      and hold {} became {}\n",
            effect["hold"].as_str().unwrap_or("-"),
            effect["state"].as_str().unwrap_or("-")
        ));
    }
    line
}
