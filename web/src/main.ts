// The page: what is on screen. The engine that keeps keys and messages runs in a worker.
import { mount } from "svelte";
import App from "./app/App.svelte";
import { reloadWithUpdates } from "./app/updates";
import { Files, withFiles } from "./engine/media/files";
import { connect } from "./engine/rpc";
import "./style/style";

reloadWithUpdates();
const files = new Files("/service-worker.js");
const engine = connect().then((engine) => withFiles(engine, files));
mount(App, { target: document.getElementById("app")!, props: { engine } });
