//! Times of the day in requests and answers.

/// `22:05` in minutes of the day.
pub(super) fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        is_plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// The same as a text.
pub(in crate::api) fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
