//! Draws how long it took until another worker led.

use std::time::Duration;

use plotters::prelude::*;

use super::critical_section::Outcome;

/// All of them dark enough on white.
const COLORS: [RGBColor; 6] = [
    RGBColor(230, 25, 75),
    RGBColor(60, 180, 75),
    RGBColor(154, 99, 36),
    RGBColor(0, 130, 200),
    RGBColor(245, 130, 48),
    RGBColor(145, 30, 180),
];

/// For each outcome the share of the takeovers that were done after so many seconds.
pub fn failover(path: &str, outcomes: &[(String, Outcome)]) {
    let lease = outcomes.iter().map(|(_, outcome)| outcome.lease.as_secs_f64()).fold(0.0, f64::max);
    let slowest = outcomes.iter().flat_map(|(_, outcome)| &outcome.rounds).map(|round| round.takeover.as_secs_f64());
    let longest = slowest.fold(lease * 2.0, f64::max);
    let area = SVGBackend::new(path, (960, 540)).into_drawing_area();
    area.fill(&WHITE).expect("drawn");
    let mut chart = ChartBuilder::on(&area)
        .caption("Failover: seconds until another worker leads", ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..longest, 0.0..1.0)
        .expect("drawn");
    chart
        .configure_mesh()
        .x_desc("seconds on the workers' clocks")
        .y_desc("share of the rounds")
        .light_line_style(TRANSPARENT)
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .draw()
        .expect("drawn");
    let end_of_lease = [(lease, 0.0), (lease, 1.0)];
    chart
        .draw_series(LineSeries::new(end_of_lease, BLACK.mix(0.5)))
        .expect("drawn")
        .label(format!("the lease: {lease} s"))
        .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], BLACK.mix(0.5)));
    for (number, (name, outcome)) in outcomes.iter().enumerate() {
        let color = COLORS[number % COLORS.len()];
        let mut takeovers: Vec<Duration> = outcome.rounds.iter().map(|round| round.takeover).collect();
        takeovers.sort();
        let count = takeovers.len() as f64;
        let steps = (1..).zip(takeovers).map(|(rank, takeover)| (takeover.as_secs_f64(), f64::from(rank) / count));
        chart
            .draw_series(LineSeries::new(steps, color.stroke_width(2)))
            .expect("drawn")
            .label(name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()
        .expect("drawn");
    area.present().expect("written");
    println!("drawn: {path}");
}
