//! Ends of sockets: what code and reason tell.

use qix_client::{ErrorKind, transport::ClosedBy};
use qix_tests::fake_engine::Cut;

use crate::support::*;

#[tokio::test]
async fn close_codes_and_reasons_reach_the_caller() {
    let json = r#"{"code":"QEP-104","traceId":"00000000000000000000000000000001"}"#;
    for (cut, code, reason, parsed) in [
        (Cut::Close(1000, String::new()), 1000, "", None),
        (Cut::Close(4003, String::new()), 4003, "", None),
        (Cut::Close(4006, "going away".into()), 4006, "going away", None),
        (Cut::Close(4204, json.into()), 4204, json, Some("QEP-104")),
        (Cut::Close(4204, "{\"code\":".into()), 4204, "{\"code\":", None),
        (Cut::Drop, 1006, "", None),
        (Cut::MidFrame, 1006, "", None),
    ] {
        let engine = engine().await;
        let session = session(&engine.url("Sales.qvf")).await;
        let doc = sales(&session).await;
        let mut hangs = Box::pin(doc.evaluate("Hang()").into_future());
        let wait = async {
            while engine.count("Evaluate") == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut hangs => panic!("it hangs"),
            () = bounded(wait) => {}
        }
        engine.cut_all(cut.clone());
        for error in [bounded(hangs).await.unwrap_err(), bounded(session.closed()).await] {
            assert_eq!(error.kind(), ErrorKind::Closed, "{cut:?}");
            let closed = error.closing().unwrap();
            assert_eq!((closed.code.get(), closed.by == ClosedBy::Us), (code, false), "{cut:?}");
            if matches!(cut, Cut::Close(..)) {
                assert_eq!(&*closed.reason, reason);
            }
            assert_eq!(closed.parsed_reason().code.as_deref(), parsed, "{cut:?}");
        }
    }
}
