//! Compound packets that are written, read again, cut and broken.

use super::*;

fn compound() -> Vec<u8> {
    let mut buffer = Vec::new();
    let report = Report {
        ssrc: 7,
        fraction_lost: 12,
        lost: -3,
        highest: 0x1_0005,
        jitter: 40,
        last_report: 9,
        since_last_report: 65_536,
    };
    write_receiver_report(&mut buffer, 1, &[report]);
    write_sdes(&mut buffer, 1, b"whimbrel");
    write_sender_report(
        &mut buffer,
        2,
        &SenderInfo { ntp: 0x0102_0304_0506_0708, timestamp: 3, packets: 4, octets: 5 },
    );
    write_nack(&mut buffer, 1, 7, &[65_534, 65_535, 0, 14, 15, 200]);
    write_pli(&mut buffer, 1, 8);
    write_fir(&mut buffer, 1, 9, 3);
    write_bye(&mut buffer, 10);
    buffer
}

#[test]
fn what_is_written_is_read_again() {
    let bytes = compound();
    let read: Vec<Part> = parts(&bytes).map(Result::unwrap).collect();
    let [
        Part::ReceiverReport { ssrc: 1, reports },
        Part::Sdes(Cname { ssrc: 1, name: b"whimbrel" }),
        Part::SenderReport { ssrc: 2, info, .. },
        Part::Nack { ssrc: 7, lost },
        Part::Pli { ssrc: 8 },
        Part::Fir { ssrc: 9 },
        Part::Bye { ssrc: 10 },
    ] = read[..]
    else {
        panic!("{read:?}");
    };
    let report = reports.iter().next().unwrap();
    assert_eq!((report.lost, report.highest, report.jitter), (-3, 0x1_0005, 40));
    assert_eq!((info.middle(), info.octets), (0x0304_0506, 5));
    assert_eq!(lost.iter().collect::<Vec<_>>(), [65_534, 65_535, 0, 14, 15, 200]);
}

#[test]
fn cut_anywhere_nothing_panics_and_what_stood_before_counts() {
    let bytes = compound();
    for end in 0..bytes.len() {
        let read: Vec<_> = parts(&bytes[..end]).collect();
        assert!(read.iter().rev().skip(1).all(Result::is_ok), "{end}");
    }
}

#[test]
fn a_broken_part_does_not_hide_the_next() {
    // A receiver report that says 31 reports and has none.
    let mut bytes = vec![0x9f, RR, 0, 1, 0, 0, 0, 1];
    write_pli(&mut bytes, 1, 8);
    let mut read = parts(&bytes);
    assert_eq!(read.next().unwrap().unwrap_err(), Fault::Content { packet_type: RR, bytes: 4 });
    assert!(matches!(read.next(), Some(Ok(Part::Pli { ssrc: 8 }))));
}

fn arrivals_read(bytes: &[u8]) -> Vec<Option<i64>> {
    let Some(Ok(Part::Transport(feedback))) = parts(bytes).next() else { panic!() };
    feedback.iter().map(|arrival| arrival.at_us).collect()
}

#[test]
fn arrivals_are_told_in_quarters_of_milliseconds() {
    let start = 64_000 * 5;
    let mut given = vec![Some(start + 250), None, Some(start + 500), Some(start + 90_000)];
    given.extend(std::iter::repeat_n(None, 9000 / 8));
    given.extend([Some(start + 80_000), Some(start + 80_250)]);
    given.extend((0..20).map(|at| Some(start + 81_000 + at * 1000)));
    let mut bytes = Vec::new();
    write_transport_feedback(&mut bytes, (1, 2), 9, 65_500, &given).unwrap();
    let expected: Vec<_> = given.iter().map(|at| at.map(|at| at as i64)).collect();
    assert_eq!(arrivals_read(&bytes), expected);
}

#[test]
fn feedback_that_cannot_be_told_is_not_written() {
    let check = |arrivals: &[Option<u64>], reason| {
        let mut bytes = Vec::new();
        let written = write_transport_feedback(&mut bytes, (1, 2), 0, 0, arrivals);
        assert_eq!((written, bytes.len()), (Err(reason), 0));
    };
    check(&[None, None], Untellable::None);
    check(&[Some(1000), Some(9_000_000)], Untellable::Apart);
}

#[test]
fn feedback_that_speaks_of_too_many_is_refused() {
    let run = |count: u16| {
        let [c0, c1] = count.to_be_bytes();
        vec![0x8f, RTPFB, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, c0, c1, 0, 0, 0, 0, 0x1f, 0xff, 0, 0]
    };
    assert_eq!(arrivals_read(&run(4096)), [None; 4096]);
    assert!(parts(&run(4097)).next().unwrap().is_err());
}
