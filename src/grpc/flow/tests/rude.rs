use super::*;

/// The preface of HTTP/2 and empty settings.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Kinds of frames.
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const GOAWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The kinds of the frames in what a server sent.
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [first, second, third, kind, ..] = *bytes {
        kinds.push(kind);
        let length = usize::from(first) << 16 | usize::from(second) << 8 | usize::from(third);
        bytes = bytes.get(9 + length..).unwrap_or_default();
    }
    kinds
}

/// Everything that a server sends until it closes the connection.
async fn until_closed(connection: &mut TcpStream, limit: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A connection that is cut may end with an error instead.
    let read = timeout(limit, connection.read_to_end(&mut bytes)).await;
    drop(read.expect("the connection is closed"));
    bytes
}

/// POST, http, /: all three are in the table that every connection begins with.
const CALL: [u8; 3] = [0x83, 0x86, 0x84];

/// So many calls that are taken back at once.
fn taken_back(number: u32) -> impl Iterator<Item = u8> {
    (0..number).flat_map(|number| {
        let stream = 2 * number + 1;
        let cancel = 8_u32.to_be_bytes();
        [frame(HEADERS, 4, stream, &CALL), frame(RESET, 0, stream, &cancel)].concat()
    })
}

#[tokio::test]
async fn a_client_whose_deadlines_pass_together_keeps_its_connection() {
    let server = TestServer::start(SETTINGS, Behaviour::sleeping(Duration::ZERO)).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let one_more = frame(HEADERS, 5, 801, &CALL);
    let bytes = GREETING.iter().copied().chain(taken_back(400)).chain(one_more);
    client.write_all(&bytes.collect::<Vec<u8>>()).await.unwrap();
    let mut told = Vec::new();
    let answered = async {
        while !kinds(&told).contains(&HEADERS) {
            assert!(client.read_buf(&mut told).await.unwrap() > 0, "it was cut off");
        }
    };
    timeout(Duration::from_secs(20), answered).await.expect("the last call has an answer");
}

#[tokio::test]
async fn who_takes_back_calls_as_fast_as_he_makes_them_is_cut_off() {
    let server = TestServer::start(SETTINGS, Behaviour::sleeping(Duration::ZERO)).await;
    let client = server.client().await;
    let mut rude = TcpStream::connect(server.address).await.unwrap();
    let bytes: Vec<u8> = GREETING.iter().copied().chain(taken_back(2_000)).collect();
    // The server may have closed the connection before all of it is written.
    let _ = rude.write_all(&bytes).await;
    let told = kinds(&until_closed(&mut rude, Duration::from_secs(20)).await);
    assert!(told.contains(&GOAWAY), "{told:?}");
    assert!(server.begun() < 200, "{} of 2,000 calls begun", server.begun());
    ask(&client).await.unwrap();
    server.idle().await;
}
