//! A browser without a window, driven through a pipe: chromedevtools.github.io/devtools-protocol. It is asked one
//! thing after the other, and every answer is waited for; nothing here sleeps.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// One page in a browser of its own.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Value,
    last: u64,
    /// What was asked of the network or of the disk, and what went wrong in the page.
    pub requests: Vec<String>,
    pub errors: Vec<String>,
    /// Files of its own: gone with it.
    _profile: TempDir,
}

impl Browser {
    pub fn start() -> Browser {
        let profile = tempfile::tempdir().expect("a folder");
        // The browser speaks on descriptors 3 and 4. If it hangs, the pipe ends after a while.
        let start = "exec timeout -k 1 100 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
                     --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage \
                     --remote-debugging-pipe --user-data-dir=\"$0\" about:blank 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", start])
            .arg(profile.path())
            .env_remove("LD_PRELOAD")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        let (requests, errors) = (vec![], vec![]);
        let session = Value::Null;
        let mut browser =
            Browser { child, to, from, session, last: 0, requests, errors, _profile: profile };
        let made = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": made["targetId"], "flatten": true});
        browser.session = browser.ask("Target.attachToTarget", target)["sessionId"].clone();
        for domain in ["Page", "Network", "Runtime"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser.size(1280, 900);
        browser
    }

    /// Sends a command, and returns its answer.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let message = self.next();
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    fn next(&mut self) -> Value {
        let mut bytes = vec![];
        self.from.read_until(0, &mut bytes).expect("the browser speaks");
        assert_eq!(bytes.pop(), Some(0), "the browser has ended");
        let message: Value = serde_json::from_slice(&bytes).expect("JSON");
        match message["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                self.requests.push(message["params"]["request"]["url"].to_string());
            }
            Some("Runtime.exceptionThrown") => self.errors.push(message["params"].to_string()),
            _ => {}
        }
        message
    }

    /// Opens a file, and waits until it is loaded.
    pub fn open(&mut self, page: &Path) {
        let url = format!("file://{}", page.display());
        let answer = self.ask("Page.navigate", json!({"url": url}));
        assert!(answer["errorText"].is_null(), "{answer}");
        while self.next()["method"] != "Page.loadEventFired" {}
    }

    /// What an expression is in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The text of an element.
    pub fn text(&mut self, id: &str) -> String {
        let text = self.eval(&format!("document.getElementById('{id}').innerText"));
        text.as_str().unwrap_or_default().to_string()
    }

    /// A key, as a keyboard sends it.
    pub fn key(&mut self, key: &str) {
        let shift = key.len() == 1 && key.to_lowercase() != key;
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({"type": kind, "key": key, "code": key, "modifiers": if shift { 8 } else { 0 },
                "windowsVirtualKeyCode": code});
            if kind == "keyDown" && (key.len() == 1 || key == "Enter") {
                params["text"] = if key == "Enter" { "\r".into() } else { key.into() };
            }
            self.ask("Input.dispatchKeyEvent", params);
        }
    }

    pub fn size(&mut self, width: u32, height: u32) {
        let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.ask("Emulation.setDeviceMetricsOverride", params);
    }

    /// `light`, `dark`
    pub fn scheme(&mut self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.ask("Emulation.setEmulatedMedia", json!({"features": [feature]}));
    }

    pub fn without_scripts(&mut self) {
        self.ask("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    }

    /// What it shows, as a PNG.
    pub fn picture(&mut self) -> Vec<u8> {
        let shot = self.ask("Page.captureScreenshot", json!({"format": "png"}));
        bytes_of(shot["data"].as_str().expect("a picture"))
    }

    /// How many pages it prints.
    pub fn printed(&mut self) -> usize {
        let params = json!({"preferCSSPageSize": true, "transferMode": "ReturnAsStream"});
        let stream = self.ask("Page.printToPDF", params)["stream"].clone();
        let mut pages = 0;
        loop {
            let part = self.ask("IO.read", json!({"handle": stream, "size": 1 << 24}));
            assert_eq!(part["base64Encoded"], true);
            pages += pages_in(part["data"].as_str().expect("text"));
            if part["eof"] == true {
                return pages;
            }
        }
    }
}

/// In a PDF each page is an object of this type, in plain text.
fn pages_in(base64: &str) -> usize {
    let bytes = bytes_of(base64);
    String::from_utf8_lossy(&bytes).matches("/Type /Page\n").count()
}

fn bytes_of(base64: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = vec![];
    for four in base64.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four.iter().fold(0u32, |bits, byte| bits << 6 | u32::from(digit(*byte)));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when it is told to, or when its pipe is closed; if it has ended already, that is well.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let mut rest = vec![];
        while self.from.read_until(0, &mut rest).is_ok_and(|read| read > 0) {}
        let _ = self.child.wait();
    }
}
