//! `qix-proxy call`: one request, or a pipeline of them, and the answers.

use std::{
    borrow::Cow,
    collections::HashMap,
    io::{self, IsTerminal, Read, Write},
    path::PathBuf,
    time::Duration,
};

use clap::ValueEnum;
use qix_protocol::Handle;
use qix_transport::{Endpoint, Limits, WsConnect};
use serde_json::{json, value::RawValue};

use super::{
    engine::{LoginArgs, ProxyArgs, TrustArgs, unusable},
    exit::{CliError, Outcome},
    session::SessionArgs,
    units,
};
use crate::{
    ask::{self, Ask, Asked, Asker, On, Refusal, Step, Target},
    chain::chain,
    show::{escaped, write_pretty},
};

const EXAMPLES: &str = "\
Examples:
  qix-proxy call ws://localhost:4848/app/ Global.EngineVersion
  qix-proxy call ws://localhost:4848/app/ Global.GetDocList --format pretty
  qix-proxy call ws://localhost:4848/app/ Doc.GetAppLayout --app Sales.qvf
  qix-proxy call ws://localhost:4848/app/ Doc.Evaluate 'qExpression=Sum(Sales)' --app Sales.qvf
  qix-proxy call ws://localhost:4848/app/ GenericObject.GetLayout --app Sales.qvf --object LB01
  qix-proxy call wss://TENANT.REGION.qlikcloud.com/app/ID Doc.GetScript --api-key-env QLIK_KEY
  echo '{\"method\":\"Global.OpenDoc\",\"params\":[\"Sales.qvf\"],\"as\":\"doc\"}
  {\"handle\":\"$doc\",\"method\":\"GetAppLayout\"}' | qix-proxy call ws://localhost:4848/app/ --file -";

/// Arguments of `qix-proxy call`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CallArgs {
    /// The engine, as it would be connected to: ws://localhost:4848/app/, wss://TENANT.REGION.qlikcloud.com/app/ID, …
    #[arg(value_name = "URL")]
    url: String,

    /// The method with its class, such as Global.EngineVersion; the class can be left out where one class has it
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    method: Option<String>,

    /// Its parameters: name=value for each, or one JSON array or object
    #[arg(value_name = "PARAMS", conflicts_with = "file")]
    params: Vec<String>,

    /// The app, by id or name, for methods of what is in an app [default: the one in the URL]
    #[arg(long, value_name = "APP")]
    app: Option<String>,

    /// What the method is called on: an object, measure, dimension, bookmark or variable by its id, a field by its name
    #[arg(long, value_name = "ID")]
    object: Option<String>,

    /// Make the calls of this file, or with - of standard input, one after the other: lines of JSON such as
    /// {"handle":"$doc","method":"GetObject","params":["LB01"],"as":"box"}, where handle is a number or $ and what an earlier line
    /// has behind `as`, or $global, $app or $object
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Make calls, too, that change what outlives the session or what others see: properties of the app's objects, reloads, saves, …
    #[arg(long)]
    allow_writes: bool,

    /// Do not check method and parameters against the schema: for methods that are newer than it
    #[arg(long)]
    unchecked: bool,

    /// Print the whole answer as the engine wrote it
    #[arg(long, conflicts_with = "format")]
    raw: bool,

    /// How to print what was returned [default: pretty on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// How long connecting may take, and then each answer
    #[arg(long, value_name = "TIME", value_parser = units::time, default_value = "60s")]
    timeout: Duration,

    #[command(flatten)]
    login: LoginArgs,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    way: ProxyArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// On one line
    Json,
    /// With a line for each member
    Pretty,
}

/// A call that was checked, and what it is made on.
struct Planned {
    on: Option<On>,
    /// The class; empty if nobody knows it.
    class: String,
    method: String,
    params: Box<RawValue>,
    name: Option<String>,
    /// Where it stands in the file.
    line: Option<usize>,
}

impl CallArgs {
    /// Makes the calls and prints what was answered.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        self.trust.warn();
        // What was typed wrongly is said before anything is connected.
        let endpoint = Endpoint::parse(&self.url).map_err(|error| unusable("the URL", &error))?;
        let connect = self.connect(endpoint.clone())?;
        let calls = self.plan()?;
        let app = self.app.clone().or_else(|| endpoint.app().map(Cow::into_owned));
        let asker = Asker::connect(&connect, self.timeout)
            .await
            .map_err(|words| CliError::network(format!("{words}; `qix-proxy doctor` finds out why")))?;
        let mut talk =
            Talk { asker: &asker, app, open: HashMap::new(), objects: HashMap::new(), args: &self };
        let result = talk.all(calls, out).await;
        asker.close().await;
        result
    }

    fn connect(&self, endpoint: Endpoint) -> Result<WsConnect, CliError> {
        WsConnect::builder(endpoint)
            .auth(self.session.auth(&self.login, &self.trust, &self.way)?)
            .headers(self.login.headers()?)
            .tls(self.trust.tls()?)
            .proxies(self.way.proxies()?)
            .limits(Limits::default().connect_timeout(self.timeout).upgrade_timeout(self.timeout))
            .build()
            .map_err(|error| CliError::usage(chain(&error)))
    }

    fn plan(&self) -> Result<Vec<Planned>, CliError> {
        let Some(file) = &self.file else {
            let method = self.method.as_deref().unwrap_or_default();
            let call = self.planned(method, &self.params).map_err(CliError::usage)?;
            self.check_use(&call)?;
            return Ok(vec![call]);
        };
        let mut text = String::new();
        let read = if file.as_os_str() == "-" {
            io::stdin().lock().read_to_string(&mut text).map(drop)
        } else {
            std::fs::read_to_string(file).map(|read| text = read)
        };
        let shown = file.display();
        read.map_err(|error| CliError::usage(format!("{shown} cannot be read: {error} (--file names it)")))?;
        let steps = Step::read(&text).map_err(|error| CliError::usage(format!("{shown}, {error}")))?;
        if steps.is_empty() {
            return Err(CliError::usage(format!("{shown} has no step")));
        }
        let mut calls = Vec::new();
        for (line, step) in steps {
            let typed: Vec<_> = step.params.iter().map(|params| params.get().to_owned()).collect();
            // A method without class is one of what the handle opens, which is known only later.
            let is_bare = !step.method.contains('.') && step.handle.is_some();
            let planned =
                if is_bare { unchecked(&step.method, &typed) } else { self.planned(&step.method, &typed) };
            let planned =
                planned.map_err(|words| CliError::usage(format!("{shown}, line {line}: {words}")))?;
            calls.push(Planned { on: step.handle, name: step.name, line: Some(line), ..planned });
        }
        Ok(calls)
    }

    /// Refuses what was said of an app or an object that the only call does not need.
    fn check_use(&self, call: &Planned) -> Result<(), CliError> {
        let (option, whose) = match call.class.as_str() {
            "" | "Global" if self.app.is_some() => ("--app", "Global"),
            "" | "Global" if self.object.is_some() => ("--object", "Global"),
            "Doc" if self.object.is_some() => ("--object", "the app"),
            _ => return Ok(()),
        };
        Err(CliError::usage(format!(
            "{} is called on {whose}, so that {option} is of no use: leave it out, or give a method of what it names",
            call.method
        )))
    }

    fn planned(&self, method: &str, typed: &[String]) -> Result<Planned, String> {
        if self.unchecked {
            return unchecked(method, typed);
        }
        let info = ask::method(method).map_err(|words| match words.contains("several classes") {
            true => words,
            false => format!("{words} (--unchecked sends it all the same)"),
        })?;
        Ok(Planned {
            on: None,
            class: info.class.to_owned(),
            method: info.name.to_owned(),
            params: ask::params(info, typed)?,
            name: None,
            line: None,
        })
    }
}

/// Takes method and parameters as they are.
fn unchecked(method: &str, typed: &[String]) -> Result<Planned, String> {
    let (class, name) = method.split_once('.').unwrap_or(("", method));
    let text = match typed {
        [] => "[]".to_owned(),
        [one] if one.trim_start().starts_with(['[', '{']) => one.clone(),
        _ => {
            return Err(format!(
                "{method} is not checked, so that its parameters must be one JSON array or object"
            ));
        }
    };
    let params =
        RawValue::from_string(text).map_err(|error| format!("the parameters are no JSON: {error}"))?;
    Ok(Planned { on: None, class: class.to_owned(), method: name.to_owned(), params, name: None, line: None })
}

/// The calls in one session.
struct Talk<'a> {
    asker: &'a Asker,
    app: Option<String>,
    /// What steps have opened, and `app`.
    open: HashMap<String, Target>,
    /// What `--object` names, by the class as which it was opened.
    objects: HashMap<String, Target>,
    args: &'a CallArgs,
}

impl Talk<'_> {
    async fn all(&mut self, calls: Vec<Planned>, out: &mut dyn Write) -> Result<Outcome, CliError> {
        for call in calls {
            let at = call.line.map_or_else(String::new, |line| format!("line {line}: "));
            let target = self.target(&call).await.map_err(|error| error.before(&at))?;
            let ask = Ask {
                target: &target,
                method: &call.method,
                params: &call.params,
                writes: self.args.allow_writes,
            };
            match self.asker.ask(ask).await {
                Ok(asked) => {
                    self.print(&call, &asked, out)?;
                    if let (Some(name), Some(opened)) = (call.name, asked.opened) {
                        self.open.insert(name, opened);
                    }
                }
                Err(refusal) => return Err(failed(&call.method, refusal).before(&at)),
            }
        }
        Ok(Outcome::Clean)
    }

    /// Finds what the call is made on, and opens it if need be.
    async fn target(&mut self, call: &Planned) -> Result<Target, CliError> {
        match &call.on {
            Some(On::Handle(handle)) => return Ok(Target::Handle(Handle::new(*handle))),
            Some(On::Name(name)) => {
                let name = name.trim_start_matches('$');
                match self.open.get(name) {
                    Some(target) => return Ok(target.clone()),
                    None if name == "global" => return Ok(self.asker.global()),
                    None if name == "app" => return self.app().await,
                    None if name == "object" => {
                        return match call.class.as_str() {
                            "" => self.object("GenericObject").await,
                            class => self.object(class).await,
                        };
                    }
                    None => {
                        return Err(CliError::network(format!(
                            "the step with \"as\":{name:?} has opened no object"
                        )));
                    }
                }
            }
            None => {}
        }
        match call.class.as_str() {
            "" | "Global" => Ok(self.asker.global()),
            "Doc" => self.app().await,
            class => self.object(class).await,
        }
    }

    async fn app(&mut self) -> Result<Target, CliError> {
        if let Some(app) = self.open.get("app") {
            return Ok(app.clone());
        }
        let Some(id) = &self.app else {
            return Err(CliError::usage("the method is one of an app: say which with --app"));
        };
        let app = self.asker.open_app(id).await.map_err(|refusal| failed("OpenDoc", refusal))?;
        self.open.insert("app".to_owned(), app.clone());
        Ok(app)
    }

    async fn object(&mut self, class: &str) -> Result<Target, CliError> {
        if let Some(object) = self.objects.get(class) {
            return Ok(object.clone());
        }
        let Some(id) = &self.args.object else {
            return Err(CliError::usage(format!("the method is one of a {class}: say which with --object")));
        };
        let method = match class {
            "Field" => "GetField",
            "GenericMeasure" => "GetMeasure",
            "GenericDimension" => "GetDimension",
            "GenericBookmark" => "GetBookmark",
            "GenericVariable" => "GetVariableById",
            "Variable" => "GetVariable",
            _ => "GetObject",
        };
        let app = self.app().await?;
        let params = RawValue::from_string(json!([id]).to_string())
            .map_err(|error| CliError::usage(format!("--object cannot be sent: {error}")))?;
        let ask = Ask { target: &app, method, params: &params, writes: false };
        let asked = self.asker.ask(ask).await;
        let asked = asked.map_err(|refusal| failed(&format!("{method} {id:?}"), refusal))?;
        let object = asked
            .opened
            .ok_or_else(|| CliError::network(format!("the app has no {class} {id:?} (--object names it)")))?;
        self.objects.insert(class.to_owned(), object.clone());
        Ok(object)
    }

    fn print(&self, call: &Planned, asked: &Asked, out: &mut dyn Write) -> io::Result<()> {
        if self.args.raw {
            out.write_all(&asked.frame)?;
            return writeln!(out).and_then(|()| out.flush());
        }
        let (result, on_terminal) = (asked.result.get(), io::stdout().is_terminal());
        let pretty = match self.args.format {
            Some(format) => format == Format::Pretty,
            None => on_terminal,
        };
        if pretty {
            write_pretty(out, result.as_bytes(), 0)?;
            writeln!(out)?;
            return out.flush();
        }
        let plain = if on_terminal { escaped(result) } else { Cow::Borrowed(result) };
        if call.line.is_some() {
            let took = asked.took.as_micros();
            let method = json!(call.method);
            let name = call.name.as_ref().map_or_else(String::new, |name| format!("\"as\":{},", json!(name)));
            writeln!(out, "{{\"method\":{method},{name}\"took\":{took},\"result\":{plain}}}")?;
        } else {
            writeln!(out, "{plain}")?;
        }
        out.flush()
    }
}

fn failed(method: &str, refusal: Refusal) -> CliError {
    match refusal.writes {
        true => CliError::usage(format!("{}; --allow-writes sends it all the same", refusal.words)),
        false => CliError::network(format!("{method}: {}", refusal.words)),
    }
}
