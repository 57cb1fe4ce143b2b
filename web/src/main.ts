// The page: what is on screen. The engine that keeps keys and messages runs in a worker.
import { mount } from "svelte";
import App from "./app/App.svelte";
import { connect } from "./engine/rpc";
import "./style/style";

mount(App, { target: document.getElementById("app")!, props: { engine: connect() } });
