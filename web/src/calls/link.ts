// A peer connection to the call endpoint. The endpoint is ICE-lite and in one place: it needs no candidates of
// this side, and this side no servers to learn them from.

/** How the connection is. `lost`: it may come back by itself, or by a restart of ICE. */
type LinkState = "connecting" | "connected" | "lost";

export class Link {
  readonly connection = new RTCPeerConnection({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require" });

  constructor(changed: () => void) {
    this.connection.addEventListener("connectionstatechange", changed);
  }

  get state(): LinkState {
    const { connectionState } = this.connection;
    if (connectionState === "connected") return "connected";
    return connectionState === "new" || connectionState === "connecting" ? "connecting" : "lost";
  }

  /** The first one, or one that restarts ICE. */
  async offer(): Promise<string> {
    if (this.connection.signalingState !== "stable") await this.connection.setLocalDescription({ type: "rollback" });
    await this.connection.setLocalDescription(await this.connection.createOffer({ iceRestart: this.connection.remoteDescription !== null }));
    return this.connection.localDescription?.sdp ?? "";
  }

  async answered(sdp: string): Promise<void> {
    await this.connection.setRemoteDescription({ type: "answer", sdp });
  }

  close(): void {
    this.connection.close();
  }
}
