// The SharedWorker that the windows of one browser have in common.
import { EventHub } from "./event_hub.js";

const hub = new EventHub();

self.addEventListener("connect", ({ ports: [port] }) => hub.add(port));
