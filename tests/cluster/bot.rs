//! A worker that runs no action and returns the result that the test gives.

use crate::engine::Engine as Server;
use googleapis_tonic_google_devtools_remoteworkers_v1test2::google::devtools::remoteworkers::v1test2 as rwapi;
use maelstrom::engine::{Engine, ISA, OS_FAMILY, Service, random_word, reapi};
use prost::Message;
use rwapi::bots_client::BotsClient;
use rwapi::{
    BotSession, BotStatus, CreateBotSessionRequest, Device, LeaseState, UpdateBotSessionRequest,
    Worker, device, worker,
};
use std::time::Duration;
use tonic::Request;

/// The longest time that an engine lets a worker wait for work.
const LONG: Duration = Duration::from_secs(30);

/// Registers a worker, takes one action, reports `result` for it, and ends the session.
pub async fn answer_one(server: &Server, pool: &str, result: reapi::ActionResult) {
    let engine = Engine::connect(&server.settings()).await.unwrap();
    let mut client = BotsClient::new(engine.service());
    let mut bot = BotSession {
        bot_id: format!("bot-{}", random_word()),
        status: BotStatus::Ok.into(),
        worker: Some(machine(pool)),
        ..BotSession::default()
    };
    bot = client
        .create_bot_session(with_deadline(CreateBotSessionRequest {
            parent: engine.instance().to_owned(),
            bot_session: Some(bot),
        }))
        .await
        .unwrap()
        .into_inner();
    while bot.leases.is_empty() {
        bot = update(&mut client, bot).await;
    }
    bot.status = BotStatus::BotTerminating.into();
    for lease in &mut bot.leases {
        lease.state = LeaseState::Completed.into();
        lease.status.get_or_insert_default();
        lease.result = Some(prost_types::Any {
            type_url: "type.googleapis.com/build.bazel.remote.execution.v2.ActionResult".to_owned(),
            value: result.encode_to_vec(),
        });
    }
    update(&mut client, bot).await;
}

async fn update(client: &mut BotsClient<Service>, bot: BotSession) -> BotSession {
    let request = UpdateBotSessionRequest {
        name: bot.name.clone(),
        bot_session: Some(bot),
        ..UpdateBotSessionRequest::default()
    };
    let answer = client.update_bot_session(with_deadline(request)).await;
    answer.unwrap().into_inner()
}

fn with_deadline<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(LONG);
    request
}

fn machine(pool: &str) -> Worker {
    let properties = [("OSFamily", OS_FAMILY), ("ISA", ISA), ("pool", pool)];
    let property = |(key, value): (&str, &str)| device::Property {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    Worker {
        devices: vec![Device {
            handle: "machine".to_owned(),
            properties: properties.map(property).into(),
        }],
        configs: vec![worker::Config {
            key: "capacity".to_owned(),
            value: "1".to_owned(),
        }],
        ..Worker::default()
    }
}
