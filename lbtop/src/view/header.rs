//! The two lines on top: who is watched and how fresh that is; how it does as a whole.

use ratatui::style::Style;

use super::canvas::Canvas;
use super::theme;
use crate::app::screen::Class;
use crate::app::state::App;
use crate::model::clock::{Now, short_span};
use crate::model::instance::{Freshness, Link};
use crate::model::status::Panic;
use crate::model::text::{Keep, clean, count, width};

/// ` lb1  HAProxy 2.6.12  up 41d03h  ./proxyd.sock      RW  LIVE 1s  14:06:12Z`
pub(super) fn header(app: &App, canvas: &mut Canvas<'_>, y: u16) {
    let freshness = app.freshness();
    let narrow = app.division().class == Class::Narrow;
    let access = match app.lock.reason() {
        None => "RW".to_owned(),
        Some(crate::command::gate::Reason::Lost) => String::new(),
        Some(_) if narrow => "RO".into(),
        Some(reason) => format!("RO {}", reason.word()),
    };
    let age = match (&app.instance.link, app.instance.age_ms(app.now)) {
        (Link::Lost { retry_at, .. }, age) => {
            let retry = retry_at.saturating_sub(app.now.mono).div_ceil(1000);
            let age = age.map_or(String::new(), |age| format!(" {}", short_span(age / 1000)));
            format!("{}{age}  retry {retry}s", freshness.word())
        }
        (_, Some(age)) => format!("{} {}", freshness.word(), short_span(age.div_ceil(1000).max(1))),
        (_, None) => freshness.word().into(),
    };
    let clock = if narrow { String::new() } else { format!("{}Z", app.now.time_of_day()) };
    let right = [
        (access, theme::bold()),
        (age, theme::freshness(canvas.look.colors, freshness)),
        (clock, theme::plain()),
    ];
    let left_end = write_right(canvas, y, &right);
    let info = &app.instance.info;
    let mut parts = Vec::new();
    if app.instance.boot.is_some() {
        let node = if info.node.is_empty() { "-" } else { &info.node };
        parts.push(node.to_owned());
        parts.push(info.product());
        parts.push(format!("up {}", short_span(uptime(app))));
    }
    // The path is what tells two balancers of one machine apart, so it stays longest beside the name.
    let room = usize::from(left_end).saturating_sub(3);
    let taken = |parts: &[String]| parts.iter().map(|part| width(part) + 2).sum::<usize>();
    while parts.len() > 1 && taken(&parts) + width(&app.instance.socket).min(14) > room {
        parts.pop();
    }
    let mut x = 1;
    for (at, part) in parts.iter().enumerate() {
        let style = if at == 0 { theme::bold() } else { theme::plain() };
        x = canvas.text(x, y, left_end.saturating_sub(x + 1), part, Keep::Ends, style) + 2;
    }
    let room = left_end.saturating_sub(x);
    if room >= 6 {
        canvas.text(x, y, room, &app.instance.socket, Keep::Tail, theme::plain());
    }
}

/// Writes parts against the right edge, two cells apart, and says where they begin.
fn write_right(canvas: &mut Canvas<'_>, y: u16, parts: &[(String, Style)]) -> u16 {
    let mut end = canvas.width().saturating_sub(1);
    for (text, style) in parts.iter().rev().filter(|(text, _)| !text.is_empty()) {
        let cells = u16::try_from(width(text)).unwrap_or(end).min(end);
        canvas.text(end - cells, y, cells, text, Keep::Head, *style);
        end = end.saturating_sub(cells + 2);
    }
    end
}

/// Uptime as it is now, not as it was when last heard.
fn uptime(app: &App) -> u64 {
    app.instance.info.uptime_s.saturating_add(app.instance.age_ms(app.now).unwrap_or(0) / 1000)
}

/// ` req/s 8.21k ▃▃▄▅▅▆▆▅  5xx 0.41%  conn 12.4k/40k 31%  q 17       3!DOWN 1 DRAIN`
pub(super) fn summary(app: &App, canvas: &mut Canvas<'_>, y: u16) {
    if app.freshness() == Freshness::Lost {
        return lost(app, canvas, y);
    }
    let totals = app.instance.totals();
    let narrow = app.division().class == Class::Narrow;
    let rate = totals.req_rate.map_or_else(|| "-".into(), |rate| count(rounded(rate)));
    let errors = totals.error_percent.map_or_else(|| "-".into(), percent);
    let spark = |cells| canvas.look.glyphs.spark(&app.instance.traffic().bars(cells, 12 / cells));
    let conns = match totals.conns.saturating_mul(100).checked_div(totals.conn_limit) {
        Some(part) => format!("conn {}/{} {part}%", count(totals.conns), count(totals.conn_limit)),
        None => format!("conn {}", count(totals.conns)),
    };
    let queue = totals.queue;
    let panic = panic(app);
    let lines = if let Some([long, short]) = &panic {
        vec![format!("{long}  req/s {rate}  5xx {errors}"), long.clone(), short.clone()]
    } else if narrow {
        vec![format!("{rate} r/s  {errors} 5xx  q {queue}"), format!("{rate} r/s  {errors}")]
    } else {
        vec![
            format!("req/s {rate} {}  5xx {errors}  {conns}  q {queue}", spark(12)),
            format!("req/s {rate} {}  5xx {errors}  {conns}  q {queue}", spark(6)),
            format!("req/s {rate}  5xx {errors}  {conns}  q {queue}"),
        ]
    };
    let trouble = [
        (totals.backends_down, "!BACKEND"),
        (totals.down, "!DOWN"),
        (totals.going_down, "!FAILING"),
        (totals.over_limit, "!FULL"),
    ];
    let trouble = said(&trouble);
    let calm = said(&[(totals.drain, " DRAIN"), (totals.maint, " MAINT")]);
    let all: Vec<String> = trouble.iter().chain(&calm).cloned().collect();
    let counts = [all.join(" "), trouble.join(" "), trouble.first().cloned().unwrap_or_default()];
    // The longest pair that fits; what is in trouble is said before what is calm and before how it was.
    let room = usize::from(canvas.width()).saturating_sub(3);
    let pairs = counts.iter().flat_map(|counts| lines.iter().map(move |line| (line, counts)));
    let fits = |(line, counts): &(&String, &String)| width(line) + 1 + width(counts) <= room;
    let (line, counts) = pairs.clone().find(fits).or_else(|| pairs.last()).unwrap_or((&lines[0], &counts[0]));
    let style = if trouble.is_empty() { theme::plain() } else { theme::bad(canvas.look.colors) };
    let end = write_right(canvas, y, &[(counts.clone(), style)]);
    let style = if panic.is_some() { theme::bad(canvas.look.colors) } else { theme::plain() };
    canvas.text(1, y, end.saturating_sub(1), line, Keep::Head, style);
}

/// Where health is not believed and what that means for traffic, the worst first: at length, and shorter.
fn panic(app: &App) -> Option<[String; 2]> {
    let parts = [
        (Panic::NoneUsed, "no server is used", "none used"),
        (Panic::AllUsed, "servers are used, up or not", "all used"),
    ];
    let (mut long, mut short) = (Vec::new(), Vec::new());
    for (panic, used, word) in parts {
        let mut backends = app.instance.in_panic().filter(|(_, of)| *of == panic);
        let Some((first, _)) = backends.next() else { continue };
        let name = clean(&first.proxy);
        let more = backends.count();
        long.push(if more == 0 {
            format!("{name}: {used}")
        } else {
            format!("{name} and {more} more: {used}")
        });
        short.push(if more == 0 { format!("{word} in {name}") } else { format!("{word} in {name} +{more}") });
    }
    let is_any = !long.is_empty();
    is_any.then(|| [format!("! PANIC in {}", long.join("; ")), format!("! PANIC: {}", short.join("; "))])
}

/// The numbers that are not 0, with their words.
fn said(counts: &[(usize, &str)]) -> Vec<String> {
    counts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number}{word}")).collect()
}

/// What the operator has to know before reading on.
fn lost(app: &App, canvas: &mut Canvas<'_>, y: u16) {
    let line = match app.instance.age_ms(app.now) {
        Some(age) => {
            let then = Now { wall: app.now.wall.saturating_sub(age), ..app.now };
            format!(
                "! no answer for {} s. Numbers are from {}Z and shown dim. Actions locked.",
                age / 1000,
                then.time_of_day()
            )
        }
        None => "! not connected yet. Actions locked.".into(),
    };
    canvas.text(0, y, canvas.width(), &line, Keep::Head, theme::bad(canvas.look.colors));
}

/// `0.41%`, `6.2%`, `100%`.
fn percent(value: f64) -> String {
    match value {
        v if v < 0.995 => format!("{v:.2}%"),
        v if v < 99.95 => format!("{v:.1}%"),
        v => format!("{v:.0}%"),
    }
}

#[expect(clippy::cast_sign_loss, reason = "rates are not negative")]
pub(super) fn rounded(value: f64) -> u64 {
    value.max(0.0).round() as u64
}
