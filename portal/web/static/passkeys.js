// A passkey is asked of the browser; its answer goes into a hidden field and the form is sent as any other.
const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const described = (list) => (list ?? []).map((each) => ({ ...each, id: toBytes(each.id) }));

const ask = async (kind, options) => {
  const publicKey = { ...options, challenge: toBytes(options.challenge) };
  if (kind === "create") {
    publicKey.user = { ...options.user, id: toBytes(options.user.id) };
    publicKey.excludeCredentials = described(options.excludeCredentials);
    return navigator.credentials.create({ publicKey });
  }
  publicKey.allowCredentials = described(options.allowCredentials);
  return navigator.credentials.get({ publicKey });
};

const answered = (credential) => {
  const { response } = credential;
  const said = { clientDataJSON: toText(response.clientDataJSON) };
  if (response.attestationObject) {
    said.attestationObject = toText(response.attestationObject);
    said.transports = response.getTransports?.() ?? [];
  } else {
    said.authenticatorData = toText(response.authenticatorData);
    said.signature = toText(response.signature);
    said.userHandle = response.userHandle ? toText(response.userHandle) : null;
  }
  return JSON.stringify({ id: credential.id, rawId: toText(credential.rawId), type: credential.type, response: said });
};

for (const place of window.PublicKeyCredential ? document.querySelectorAll("[data-passkey]") : []) {
  const button = place.querySelector("button");
  const trouble = place.querySelector("[role=alert]");
  button.hidden = false;
  place.querySelector("[data-passkey-missing]").hidden = true;
  button.addEventListener("click", async () => {
    const form = place.closest("form");
    trouble.hidden = true;
    if (!form.reportValidity()) return;
    try {
      const credential = await ask(place.dataset.passkey, JSON.parse(place.dataset.options));
      form.elements[place.dataset.fills].value = answered(credential);
      form.requestSubmit();
    } catch (refused) {
      trouble.textContent =
        refused.name === "InvalidStateError"
          ? "This device holds a passkey for you already."
          : "The browser gave no passkey. Try again, or use another way.";
      trouble.hidden = false;
    }
  });
}
