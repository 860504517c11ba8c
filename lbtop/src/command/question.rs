//! The question before a command, and what counts as a yes.
//!
//! Enter is never a yes, nor is the key that asked, nor anything typed before the question could be read. Where much
//! is at stake the server's name has to be typed.

use super::order::Command;
use super::plan::Plan;
use super::risk::Danger;
use crate::model::clock::Mono;

/// How long after the question is on the screen keys are still dropped.
pub const DEAD_TIME_MS: u64 = 150;

/// A key, as far as questions go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Press {
    Char(char),
    Backspace,
    Cancel,
    /// Enter and all others, which mean nothing here.
    Other,
}

/// What a key did.
#[derive(Debug, Eq, PartialEq)]
pub enum Verdict {
    Ignored,
    Typed,
    Cancelled,
    Yes(Confirmed),
}

/// A plan, confirmed by the operator.
#[derive(Debug, Eq, PartialEq)]
pub struct Confirmed(Box<Plan>);

impl Confirmed {
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    pub(in crate::command) fn into_command(self) -> Command {
        self.0.command
    }
}

/// A question on the screen.
#[derive(Clone, Debug)]
pub struct Question {
    pub plan: Plan,
    /// What was typed of the name.
    pub typed: String,
    /// Why it is asked again.
    pub again: Option<String>,
    asked_by: char,
    painted: Option<Mono>,
}

impl Question {
    pub const fn new(plan: Plan, asked_by: char) -> Self {
        Self { plan, typed: String::new(), again: None, asked_by, painted: None }
    }

    /// The same question about a plan that changed under it; what was typed for the old one does not count.
    pub fn renew(&mut self, plan: Plan, why: String) {
        *self = Self { again: Some(why), ..Self::new(plan, self.asked_by) };
    }

    /// The question is on the screen since `at`.
    pub fn painted(&mut self, at: Mono) {
        self.painted.get_or_insert(at);
    }

    /// What has to be typed, if a `y` is not enough.
    pub fn name_to_type(&self) -> Option<&str> {
        (self.plan.risk.danger == Danger::High).then(|| self.plan.command.target.id().server.as_str())
    }

    pub fn press(&mut self, press: Press, now: Mono) -> Verdict {
        if press == Press::Cancel {
            return Verdict::Cancelled;
        }
        match self.painted {
            Some(painted) if now >= painted + DEAD_TIME_MS => {}
            _ => return Verdict::Ignored,
        }
        let Some(name) = self.name_to_type().map(str::to_owned) else {
            return match press {
                Press::Char('y') if self.asked_by != 'y' => {
                    Verdict::Yes(Confirmed(Box::new(self.plan.clone())))
                }
                Press::Char('n') => Verdict::Cancelled,
                _ => Verdict::Ignored,
            };
        };
        match press {
            Press::Char(c) if self.typed.chars().count() < 64 => self.typed.push(c),
            Press::Backspace => {
                self.typed.pop();
            }
            _ => return Verdict::Ignored,
        }
        if self.typed == name { Verdict::Yes(Confirmed(Box::new(self.plan.clone()))) } else { Verdict::Typed }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;

    fn question(danger: Danger) -> Question {
        let mut plan = plan("app1");
        plan.risk.danger = danger;
        Question::new(plan, 'd')
    }

    #[test]
    fn only_y_is_yes_and_not_at_once() {
        let mut q = question(Danger::Low);
        assert_eq!(q.press(Press::Char('y'), 1000), Verdict::Ignored, "not painted yet");
        q.painted(1000);
        assert_eq!(q.press(Press::Char('y'), 1149), Verdict::Ignored);
        assert_eq!(q.press(Press::Char('n'), 1149), Verdict::Ignored);
        assert_eq!(q.press(Press::Cancel, 1149), Verdict::Cancelled, "no is heard at any time");
        for press in [Press::Char('d'), Press::Other, Press::Char('Y'), Press::Backspace] {
            assert_eq!(q.press(press, 1150), Verdict::Ignored, "{press:?}");
        }
        assert!(matches!(q.press(Press::Char('y'), 1150), Verdict::Yes(_)));
        assert_eq!(q.press(Press::Char('n'), 1150), Verdict::Cancelled);
        assert_eq!(q.press(Press::Cancel, 1150), Verdict::Cancelled);
    }

    #[test]
    fn high_risk_wants_the_name() {
        let mut q = question(Danger::High);
        q.painted(0);
        assert_eq!(q.press(Press::Char('y'), 150), Verdict::Typed);
        assert_eq!(q.press(Press::Backspace, 150), Verdict::Typed);
        for c in "app".chars() {
            assert_eq!(q.press(Press::Char(c), 150), Verdict::Typed);
        }
        assert_eq!(q.press(Press::Other, 150), Verdict::Ignored);
        assert!(matches!(q.press(Press::Char('1'), 150), Verdict::Yes(_)));
    }

    #[test]
    fn a_renewed_question_starts_over() {
        let mut q = question(Danger::High);
        q.painted(0);
        assert_eq!(q.press(Press::Char('a'), 150), Verdict::Typed);
        let plan = q.plan.clone();
        q.renew(plan, "it changed".into());
        assert_eq!(q.typed, "");
        assert_eq!(q.press(Press::Char('a'), 10_000), Verdict::Ignored, "not painted again yet");
    }
}
