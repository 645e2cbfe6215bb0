//! The thread that owns the file: it takes every call that is waiting, locks once, and answers them all.

use std::io;
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::book::{Answer, Book, Call, Decision};
use super::file::LedgerFile;
use super::ledger::{Line, Op, Outcome};
use crate::clock;
use crate::payment::gateway::GatewayError;

/// Calls a lock at most, so that other processes get their turn.
const MOST: usize = 1_000;

/// A call on its way to the desk.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) call: Call,
    pub(super) reply: oneshot::Sender<Result<Answer, GatewayError>>,
}

/// One process's side of the ledger.
#[derive(Debug)]
pub(super) struct Desk {
    file: LedgerFile,
    book: Book,
    worker: String,
}

impl Desk {
    pub(super) fn new(file: LedgerFile, worker: &str) -> Self {
        Self { file, book: Book::default(), worker: worker.to_owned() }
    }

    /// Answers calls until nobody can make one any more.
    pub(super) fn run(mut self, waiting: &mpsc::Receiver<Ticket>) {
        while let Ok(first) = waiting.recv() {
            let (calls, replies): (Vec<_>, Vec<_>) = std::iter::once(first)
                .chain(waiting.try_iter().take(MOST - 1))
                .map(|ticket| (ticket.call, ticket.reply))
                .unzip();
            match self.answer(&calls) {
                // A caller that hung up does not undo what was decided.
                Ok(answers) => replies.into_iter().zip(answers).for_each(|(reply, answer)| {
                    let _ = reply.send(Ok(answer));
                }),
                Err(error) => replies.into_iter().for_each(|reply| {
                    let _ = reply.send(Err(GatewayError::Unavailable(error.to_string())));
                }),
            }
        }
    }

    fn answer(&mut self, calls: &[Call]) -> io::Result<Vec<Answer>> {
        let outcome = self.answer_locked(calls);
        if outcome.is_err() {
            // The book may hold what was not written: it is read again from the start.
            self.start_over();
        }
        self.file.unlock()?;
        outcome
    }

    fn start_over(&mut self) {
        self.book = Book::default();
        self.file.rewind();
    }

    fn answer_locked(&mut self, calls: &[Call]) -> io::Result<Vec<Answer>> {
        self.file.lock()?;
        if self.file.was_cut()? {
            self.start_over();
        }
        let book = &mut self.book;
        self.file.catch_up(|line| book.note(line))?;
        let at = clock::wire(clock::now());
        let mut lines = Vec::with_capacity(calls.len() * 256);
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            let decision = self.book.decide(call);
            let line = line(call, &decision, &at, &self.worker);
            self.book.note(&line);
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
            answers.push(decision.answer);
        }
        self.file.append(&lines)?;
        Ok(answers)
    }
}

fn line(call: &Call, decision: &Decision, at: &str, worker: &str) -> Line {
    let charge = match call {
        Call::Charge { charge, .. } => Some(charge),
        Call::Void { .. } => None,
    };
    Line {
        at: at.to_owned(),
        op: if charge.is_some() { Op::Charge } else { Op::Void },
        key: match call {
            Call::Charge { charge, .. } => charge.key,
            Call::Void { key } => *key,
        },
        amount: charge.map(|charge| charge.amount),
        currency: charge.map(|charge| charge.currency),
        outcome: decision.outcome,
        reason: decision.reason.clone(),
        replayed: decision.replayed,
        unanswered: decision.outcome == Outcome::Captured && decision.answer == Answer::Silence,
        late: matches!(call, Call::Charge { waited: true, .. }),
        worker: worker.to_owned(),
        request: charge.and_then(|charge| charge.request.clone()),
    }
}
