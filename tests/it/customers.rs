//! What is stored of a customer, and erasing it.

use patron::grpc::proto::*;

use crate::app::{Clients, TestApp, bind, churn_of, customer_ids, customer_request, instant};
use crate::failure::told;
use crate::fixture::{online_retail_server, small_shop};

async fn erase(app: &Clients, id: &str, request_id: &str) -> EraseCustomerResponse {
    let request =
        EraseCustomerRequest { customer_id: id.to_owned(), request_id: request_id.to_owned() };
    app.transactions().erase_customer(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_profile_counts_all_lines() {
    let app = online_retail_server().await;
    // Bought 74,215 pieces on 2011-01-18 and took them back 16 minutes later.
    let customer = app.transactions().get_customer(customer_request("12346")).await.unwrap();
    let Customer { lines, ref customer_id, .. } = customer.into_inner();
    assert_eq!((customer_id.as_str(), lines.len()), ("12346", 2));
    let back = lines[0].line.clone().unwrap();
    assert_eq!(back.quantity_thousandths, Some(-74_215_000));
    assert_eq!(back.occurred_at, Some(instant("2011-01-18T10:17:00Z")));
    assert_eq!(lines[0].recorded_at, back.occurred_at);
    assert_eq!(back.country, "United Kingdom");
    let customer = app.transactions().get_customer(customer_request("17850")).await.unwrap();
    let customer = Customer { lines: Vec::new(), ..customer.into_inner() };
    insta::assert_debug_snapshot!(customer, @r#"
    Customer {
        customer_id: "17850",
        visits: 2,
        orders: 34,
        line_count: 312,
        return_count: 15,
        products: 21,
        first_visit_time: Some(
            Timestamp {
                seconds: 1291191960,
                nanos: 0,
            },
        ),
        last_visit_time: Some(
            Timestamp {
                seconds: 1291303620,
                nanos: 0,
            },
        ),
        last_recorded_time: Some(
            Timestamp {
                seconds: 1297348680,
                nanos: 0,
            },
        ),
        spend_micros: 5288630000,
        quantity_thousandths: 1693000,
        margin_micros: None,
        currency: "GBP",
        lines: [],
        next_page_token: "",
        attributes: [],
    }
    "#);
}

#[tokio::test]
async fn lines_come_page_by_page_the_newest_first() {
    let app = online_retail_server().await;
    let mut request = GetCustomerRequest { page_size: 100, ..customer_request("17850") };
    let mut times = Vec::new();
    let mut pages = Vec::new();
    loop {
        let page = app.transactions().get_customer(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.line_count, 312);
        pages.push(page.lines.len());
        times.extend(page.lines.iter().map(|stored| stored.line.as_ref().unwrap().occurred_at));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(pages, [100, 100, 100, 12]);
    assert!(times.is_sorted_by_key(|time| std::cmp::Reverse(time.unwrap().seconds)));
}

#[tokio::test]
async fn an_erased_customer_is_unknown_and_answered_with_the_prior() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let before = app.transactions().get_customer(customer_request("r1")).await.unwrap();
    let erased = erase(&app, "r1", "e1").await;
    assert_eq!(erased.lines_erased, before.into_inner().line_count);
    let unknown = app.transactions().get_customer(customer_request("r1")).await.unwrap_err();
    assert_eq!(told(&unknown), "NOT_FOUND CUSTOMER_NOT_FOUND patron.v1.Customer \"r1\"");
    let answer = app.churn(&["r1", "r2"]).await.unwrap();
    assert_eq!(answer.sources, [RowSource::Prior as i32, RowSource::History as i32]);
    assert_eq!(erase(&app, "r1", "e1").await, erased, "the same request again");
    assert_eq!(erase(&app, "r1", "e2").await.lines_erased, 0);
    let app = app.restart().await;
    assert!(app.transactions().get_customer(customer_request("r1")).await.is_err());
}

#[tokio::test]
async fn a_customer_asked_about_again_is_answered_by_what_anyone_stored() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    // A server of its own on the same directory.
    let other = bind(&app.path("."), &[("jobs.workers", "0".to_owned())]).await;
    let address = other.local_addr();
    tokio::spawn(other.serve(std::future::pending()));
    let other = Clients::connect(address).await;
    let ask = async || {
        let customers = predict_churn_request::Input::CustomerIds(customer_ids(&["r1"]));
        let as_of = Some(instant("2100-01-01T00:00:00Z"));
        let mut answers = Vec::new();
        for as_of in [None, None, None, as_of, as_of] {
            let request = PredictChurnRequest { as_of, ..churn_of(customers.clone()) };
            let answer = app.ask_churn(request).await.unwrap();
            let PredictChurnResponse { probabilities, percentiles, reasons, .. } = answer;
            let told = (answer.sources[0], answer.last_line_time_micros[0]);
            answers.push((probabilities, percentiles, reasons, told));
        }
        // At the first question nothing is remembered, at the third it is counted already.
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
        assert_eq!(answers[3], answers[4]);
        answers.pop().unwrap().3
    };
    let (source, before) = ask().await;
    assert_eq!(source, RowSource::History as i32);
    let line = TransactionLine {
        customer_id: "r1".to_owned(),
        order_id: "new".to_owned(),
        occurred_at: Some(instant("2026-06-01T10:00:00Z")),
        product_id: "p".to_owned(),
        quantity_thousandths: Some(1_000),
        unit_price_micros: Some(3_500_000),
        ..Default::default()
    };
    let chunk = IngestTransactionsRequest { chunk_id: "1".to_owned(), lines: vec![line] };
    let stored = other.transactions().ingest_transactions(tokio_stream::iter([chunk])).await;
    assert_eq!(stored.unwrap().into_inner().message().await.unwrap().unwrap().accepted, 1);
    let (_, after) = ask().await;
    assert!(after > before, "{after} is not after {before}");
    erase(&other, "r1", "").await;
    assert_eq!(ask().await.0, RowSource::Prior as i32);
}

#[tokio::test]
async fn nothing_of_an_erased_customer_is_left_in_the_files() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let secret = "somebody@example.org";
    let line = TransactionLine {
        customer_id: secret.to_owned(),
        occurred_at: Some(instant("2024-06-01")),
        product_id: "p1".to_owned(),
        quantity_thousandths: Some(1_000),
        unit_price_micros: Some(1_000_000),
        ..Default::default()
    };
    let chunk = IngestTransactionsRequest { chunk_id: "1".to_owned(), lines: vec![line] };
    let acks = app.transactions().ingest_transactions(tokio_stream::iter([chunk])).await.unwrap();
    assert_eq!(acks.into_inner().message().await.unwrap().unwrap().accepted, 1);
    let holds = |app: &TestApp| {
        let files = std::fs::read_dir(app.path("data")).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    };
    assert!(holds(&app));
    assert_eq!(erase(&app, secret, "").await.lines_erased, 1);
    assert!(!holds(&app));
}

#[tokio::test]
async fn a_customer_nobody_knows_is_erased_with_no_line() {
    let app = TestApp::empty().await;
    assert_eq!(erase(&app, "nobody", "").await.lines_erased, 0);
}
