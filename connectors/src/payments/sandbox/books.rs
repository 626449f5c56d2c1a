//! The sandbox's books: what was authorised, captured, voided and refunded, and the rules by which
//! an entry may follow another. Pure: no lock, no file, no clock.

use std::collections::BTreeMap;

use flightline_ledger::Money;
use serde::{Deserialize, Serialize};

use super::magic::{Act, Magic, Step, magic_of};
use crate::payments::port::{EffectId, Payment, PaymentState, Refusal, RefusalKind};

/// References start so.
const REFERENCE_PREFIX: &str = "sandbox_";

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Books {
    accounts: BTreeMap<EffectId, Account>,
}

/// One payment.
#[derive(Debug)]
struct Account {
    /// Hash of what was asked, to know the same ask again.
    details: u128,
    amount: Money,
    magic: Option<&'static Magic>,
    stage: Stage,
    refunds: Vec<(EffectId, i64)>,
}

#[derive(Debug)]
enum Stage {
    Declined,
    Authorised,
    Captured(i64),
    Voided,
}

/// A line of the books, as it is kept in a file. The format is fixed: lines are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Entry {
    Authorise {
        effect: String,
        details: String,
        minor: i64,
        currency: String,
        exponent: u8,
        method: String,
    },
    Capture {
        payment: String,
        minor: i64,
    },
    Void {
        payment: String,
    },
    Refund {
        payment: String,
        effect: String,
        minor: i64,
    },
}

/// What the books say to an ask.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was so before.
    Already,
    /// It may be entered.
    Enter(Entry),
    /// It may not.
    Refuse(Refusal),
}

pub(super) fn reference_of(authorise: EffectId) -> String {
    format!("{REFERENCE_PREFIX}{authorise}")
}

pub(super) fn refund_name(refund: EffectId) -> String {
    format!("sandbox_refund_{refund}")
}

fn state(code: &str, message: impl Into<String>) -> Verdict {
    Verdict::Refuse(Refusal::new(RefusalKind::State, code, message))
}

impl Books {
    fn account(&self, reference: &str) -> Result<(EffectId, &Account), Refusal> {
        reference
            .strip_prefix(REFERENCE_PREFIX)
            .and_then(|text| text.parse::<EffectId>().ok())
            .and_then(|effect| Some((effect, self.accounts.get(&effect)?)))
            .filter(|(_, account)| !matches!(account.stage, Stage::Declined))
            .ok_or_else(|| {
                Refusal::invalid(
                    "unknown_reference",
                    format!("the sandbox's books have no payment {reference:?}"),
                )
            })
    }

    /// How the payment misbehaves at a step, if it does.
    pub(super) fn act(&self, reference: &str, step: Step) -> Option<Act> {
        let (_, account) = self.account(reference).ok()?;
        account.magic.filter(|m| m.step == step).map(|m| m.act)
    }

    pub(super) fn authorise(
        &self,
        effect: EffectId,
        details: u128,
        amount: Money,
        method: &str,
    ) -> Verdict {
        match self.accounts.get(&effect) {
            Some(account) if account.details != details => {
                Verdict::Refuse(Refusal::different_details(effect))
            }
            Some(account) => match declined(account) {
                Some(refusal) => Verdict::Refuse(refusal),
                None => Verdict::Already,
            },
            None => Verdict::Enter(Entry::Authorise {
                effect: effect.to_string(),
                details: format!("{details:032x}"),
                minor: amount.minor,
                currency: amount.currency.to_string(),
                exponent: amount.exponent,
                method: method.to_owned(),
            }),
        }
    }

    /// The refusal that a just entered authorisation stands for, when it is one.
    pub(super) fn refusal_of(&self, effect: EffectId) -> Option<Refusal> {
        self.accounts.get(&effect).and_then(declined)
    }

    pub(super) fn capture(&self, reference: &str, amount: Money) -> Verdict {
        let (effect, account) = match self.account(reference) {
            Ok(found) => found,
            Err(refusal) => return Verdict::Refuse(refusal),
        };
        if let Some(verdict) = other_currency(account, amount) {
            return verdict;
        }
        match account.stage {
            Stage::Captured(minor) if minor == amount.minor => Verdict::Already,
            Stage::Captured(minor) => state(
                "already_captured",
                format!("{minor} was captured before, in minor units; there is one capture"),
            ),
            Stage::Voided => state("voided", "the authorisation was voided"),
            Stage::Authorised | Stage::Declined => {
                if let Some(refusal) = refused_at(account, Step::Capture) {
                    return Verdict::Refuse(refusal);
                }
                if amount.minor > account.amount.minor {
                    return Verdict::Refuse(Refusal::invalid(
                        "amount_too_large",
                        format!(
                            "only {} is authorised, in minor units",
                            account.amount.minor
                        ),
                    ));
                }
                Verdict::Enter(Entry::Capture {
                    payment: effect.to_string(),
                    minor: amount.minor,
                })
            }
        }
    }

    pub(super) fn void(&self, reference: &str) -> Verdict {
        let (effect, account) = match self.account(reference) {
            Ok(found) => found,
            Err(refusal) => return Verdict::Refuse(refusal),
        };
        match account.stage {
            Stage::Voided => Verdict::Already,
            Stage::Captured(_) => {
                state("already_captured", "captured money is refunded, not voided")
            }
            Stage::Authorised | Stage::Declined => Verdict::Enter(Entry::Void {
                payment: effect.to_string(),
            }),
        }
    }

    pub(super) fn refund(&self, effect: EffectId, reference: &str, amount: Money) -> Verdict {
        let (payment, account) = match self.account(reference) {
            Ok(found) => found,
            Err(refusal) => return Verdict::Refuse(refusal),
        };
        if let Some(verdict) = other_currency(account, amount) {
            return verdict;
        }
        if let Some((_, minor)) = account.refunds.iter().find(|(id, _)| *id == effect) {
            return if *minor == amount.minor {
                Verdict::Already
            } else {
                Verdict::Refuse(Refusal::different_details(effect))
            };
        }
        let Stage::Captured(captured) = account.stage else {
            return state("not_captured", "there is no captured money to give back");
        };
        if let Some(refusal) = refused_at(account, Step::Refund) {
            return Verdict::Refuse(refusal);
        }
        let left = captured - account.refunded();
        if amount.minor > left {
            return state(
                "refund_too_large",
                format!("only {left} is left to give back, in minor units"),
            );
        }
        Verdict::Enter(Entry::Refund {
            payment: payment.to_string(),
            effect: effect.to_string(),
            minor: amount.minor,
        })
    }

    /// Enters a line. Fails when it cannot follow those before it, which only a line from a file
    /// can; the books are unchanged then.
    pub(super) fn enter(&mut self, entry: &Entry) -> Result<(), String> {
        match entry {
            Entry::Authorise {
                effect,
                details,
                minor,
                currency,
                exponent,
                method,
            } => {
                let effect = id(effect)?;
                let details = id(details)?.0;
                let amount = Money {
                    minor: *minor,
                    currency: currency.parse().map_err(|e| format!("currency: {e}"))?,
                    exponent: *exponent,
                };
                if self.accounts.contains_key(&effect) {
                    return Err(format!("payment {effect} is opened a second time"));
                }
                let magic = magic_of(amount.minor, method);
                let is_declined = magic
                    .is_some_and(|m| m.step == Step::Authorise && matches!(m.act, Act::Refuse(_)));
                let account = Account {
                    details,
                    amount,
                    magic,
                    stage: if is_declined {
                        Stage::Declined
                    } else {
                        Stage::Authorised
                    },
                    refunds: Vec::new(),
                };
                self.accounts.insert(effect, account);
                Ok(())
            }
            Entry::Capture { payment, minor } => {
                let account = self.open(payment)?;
                if !matches!(account.stage, Stage::Authorised)
                    || !(1..=account.amount.minor).contains(minor)
                {
                    return Err(format!("payment {payment} cannot be captured with {minor}"));
                }
                account.stage = Stage::Captured(*minor);
                Ok(())
            }
            Entry::Void { payment } => {
                let account = self.open(payment)?;
                if !matches!(account.stage, Stage::Authorised) {
                    return Err(format!("payment {payment} cannot be voided"));
                }
                account.stage = Stage::Voided;
                Ok(())
            }
            Entry::Refund {
                payment,
                effect,
                minor,
            } => {
                let effect = id(effect)?;
                let account = self.open(payment)?;
                let Stage::Captured(captured) = account.stage else {
                    return Err(format!("payment {payment} has no captured money"));
                };
                let is_new = account.refunds.iter().all(|(id, _)| *id != effect);
                if !is_new || !(1..=captured - account.refunded()).contains(minor) {
                    return Err(format!("payment {payment} cannot give {minor} back"));
                }
                account.refunds.push((effect, *minor));
                Ok(())
            }
        }
    }

    fn open(&mut self, payment: &str) -> Result<&mut Account, String> {
        self.accounts
            .get_mut(&id(payment)?)
            .ok_or_else(|| format!("payment {payment} was never opened"))
    }

    pub(super) fn payment(&self, effect: EffectId) -> Option<Payment> {
        self.accounts.get(&effect).map(|a| a.show(effect))
    }

    pub(super) fn payment_of(&self, reference: &str) -> Result<Payment, Refusal> {
        let (effect, account) = self.account(reference)?;
        Ok(account.show(effect))
    }

    /// Every payment, by authorise effect.
    pub(super) fn payments(&self) -> impl Iterator<Item = Payment> {
        self.accounts.iter().map(|(effect, a)| a.show(*effect))
    }
}

impl Account {
    fn refunded(&self) -> i64 {
        self.refunds.iter().map(|(_, minor)| minor).sum()
    }

    fn show(&self, effect: EffectId) -> Payment {
        let (state, captured_minor) = match self.stage {
            Stage::Declined => (PaymentState::Declined, 0),
            Stage::Authorised => (PaymentState::Authorised, 0),
            Stage::Captured(minor) => (PaymentState::Captured, minor),
            Stage::Voided => (PaymentState::Voided, 0),
        };
        Payment {
            reference: reference_of(effect),
            effect: Some(effect),
            state,
            amount: self.amount,
            captured_minor,
            refunded_minor: self.refunded(),
        }
    }
}

fn id(text: &str) -> Result<EffectId, String> {
    text.parse().map_err(|e| format!("{text:?}: {e}"))
}

fn declined(account: &Account) -> Option<Refusal> {
    let code = account.magic.and_then(|m| match m.act {
        Act::Refuse(code) if m.step == Step::Authorise => Some(code),
        _ => None,
    })?;
    Some(Refusal::new(
        RefusalKind::Declined,
        code,
        "declined by the sandbox: the amount or the method asks for it",
    ))
}

fn refused_at(account: &Account, step: Step) -> Option<Refusal> {
    let magic = account.magic.filter(|m| m.step == step)?;
    match magic.act {
        Act::Refuse(code) => Some(Refusal::new(
            RefusalKind::State,
            code,
            "refused by the sandbox: the amount or the method asks for it",
        )),
        _ => None,
    }
}

fn other_currency(account: &Account, amount: Money) -> Option<Verdict> {
    let own = account.amount;
    let is_other = (own.currency, own.exponent) != (amount.currency, amount.exponent);
    is_other.then(|| {
        Verdict::Refuse(Refusal::invalid(
            "invalid_currency",
            format!(
                "the payment is in {}, not in {}",
                own.currency, amount.currency
            ),
        ))
    })
}
