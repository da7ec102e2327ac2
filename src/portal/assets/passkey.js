// Passkeys: makes and uses them by the browser, and posts what it says. The server judges.
"use strict";

(() => {
  const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const encode = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const Credential = window.PublicKeyCredential;

  // For browsers without parse…FromJSON and toJSON.
  const opened = (options) => {
    const list = (all) => all && all.map((one) => ({ ...one, id: decode(one.id) }));
    return {
      ...options,
      challenge: decode(options.challenge),
      ...(options.user && { user: { ...options.user, id: decode(options.user.id) } }),
      ...(options.allowCredentials && { allowCredentials: list(options.allowCredentials) }),
      ...(options.excludeCredentials && { excludeCredentials: list(options.excludeCredentials) }),
    };
  };
  const closed = (credential) => {
    if (credential.toJSON) return credential.toJSON();
    const response = {};
    for (const key of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[key]) response[key] = encode(credential.response[key]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    const { id, type } = credential;
    return { id, rawId: id, type, response, clientExtensionResults: credential.getClientExtensionResults() };
  };

  for (const box of document.querySelectorAll("[data-passkey]")) {
    const { passkey: kind, options, gone } = box.dataset;
    const form = box.closest("form");
    const asked = JSON.parse(options);
    const create = kind === "create";
    const button = box.querySelector("[data-start]");
    let pending = null;

    const shown = Date.now();
    const life = asked.publicKey.timeout || 300000;

    // The texts stand in the page, hidden; those of one name are shown.
    const say = (name) => {
      for (const text of box.querySelectorAll("[data-says]")) text.hidden = text.dataset.says !== name;
    };

    const run = async (quiet) => {
      if (pending) pending.abort();
      const mine = (pending = new AbortController());
      const began = Date.now();
      if (!quiet) say();
      try {
        const parse = create ? Credential.parseCreationOptionsFromJSON : Credential.parseRequestOptionsFromJSON;
        const publicKey = parse ? parse.call(Credential, asked.publicKey) : opened(asked.publicKey);
        const request = { publicKey, signal: mine.signal, ...(quiet && { mediation: "conditional" }) };
        const credential = await navigator.credentials[create ? "create" : "get"](request);
        form.elements.credential.value = JSON.stringify(closed(credential));
        form.submit();
      } catch (error) {
        if (mine !== pending) return;
        pending = null;
        if (quiet || error.name === "AbortError") return;
        const late = Date.now() - began >= life - 1000;
        say(error.name === "NotAllowedError" && late ? "TimeoutError" : error.name);
        if (![...box.querySelectorAll("[data-says]")].some((text) => !text.hidden)) say("Error");
        offer();
      }
    };

    // The browser's own offer, in the field of the user name.
    const offer = async () => {
      if (kind !== "sign-in" || !Credential.isConditionalMediationAvailable) return;
      if (await Credential.isConditionalMediationAvailable() && !pending) run(true);
    };

    if (!Credential || !navigator.credentials) {
      if (kind !== "sign-in") say("unsupported");
      continue;
    }
    button.hidden = false;
    button.addEventListener("click", () => {
      // What was begun with the page runs out with it: nobody is to put a finger there in vain.
      if (kind === "get" && Date.now() - shown > life * 0.9) window.location.replace(form.action);
      else run(false);
    });
    // Lets the browser forget what the server has forgotten.
    if (gone && Credential.signalUnknownCredential) {
      Credential.signalUnknownCredential({ rpId: asked.publicKey.rpId, credentialId: gone }).catch(() => {});
    }
    offer();
    // Whoever leaves is not asked any more; whoever comes back may be.
    window.addEventListener("pagehide", () => { if (pending) pending.abort(); });
  }
})();
