// Chromium's virtual authenticator, by the DevTools protocol: one per page, whose passkeys can be carried to
// another as a person carries a key.

// Defaults: a security key with a PIN that was entered.
export async function authenticator(page, options = {}) {
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'usb',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...options,
    },
  });
  const send = (method, more) => session.send(`WebAuthn.${method}`, { authenticatorId, ...more });
  return {
    remove: () => send('removeVirtualAuthenticator'),
    verified: (isUserVerified) => send('setUserVerified', { isUserVerified }),
    present: (enabled) => send('setAutomaticPresenceSimulation', { enabled }),
    // { isBogusSignature, isBadUV, isBadUP }
    lies: (bits) => send('setResponseOverrideBits', { isBogusSignature: false, isBadUV: false, isBadUP: false, ...bits }),
    all: async () => (await send('getCredentials')).credentials,
    // Puts passkeys in, as they were taken out of another.
    carry: async (credentials) => {
      for (const credential of credentials) await send('addCredential', { credential });
    },
    empty: () => send('clearCredentials'),
  };
}
