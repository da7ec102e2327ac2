// An OpenID provider: npm's `oidc-provider`, with its own pages for login and consent.
//
// Takes clients as one JSON argument, each { client_id, client_secret?, portal, source }. Prints its issuer,
// then what happens, one JSON object a line. Commands come on stdin, one JSON object a line:
//   {"rotate": true}              new signing keys; the old ones are gone
//   {"skew": 120}                 its clock is ahead by so many seconds
//   {"account": "anna", ...}      what it says of somebody from now on; {"gone": true}: nobody any more
import http from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const clients = JSON.parse(process.argv[2]);
const accounts = new Map();
const clock = Date.now.bind(Date);
let skew = 0;
Date.now = () => clock() + skew * 1000;

let serial = 0;
function keys() {
  serial += 1;
  const jwk = (pair, kid, alg) => ({ ...pair.privateKey.export({ format: 'jwk' }), kid: `${kid}-${serial}`, alg, use: 'sig' });
  return {
    keys: [
      jwk(generateKeyPairSync('rsa', { modulusLength: 2048 }), 'rsa', 'RS256'),
      jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'ec', 'ES256'),
      jwk(generateKeyPairSync('ed25519'), 'ed', 'EdDSA'),
    ],
  };
}

function provider(issuer) {
  const made = new Provider(issuer, {
    jwks: keys(),
    cookies: { keys: ['a key of the tests'] },
    clients: clients.map(({ client_id, client_secret, portal, source, algorithm }) => ({
      client_id,
      ...(client_secret ? { client_secret } : { token_endpoint_auth_method: 'none' }),
      redirect_uris: [`${portal}/sign-in/${source}/callback`],
      post_logout_redirect_uris: [`${portal}/sign-out`],
      backchannel_logout_uri: `${portal}/sign-out/${source}/back`,
      backchannel_logout_session_required: true,
      grant_types: ['authorization_code', 'refresh_token'],
      id_token_signed_response_alg: algorithm ?? 'RS256',
    })),
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
      acr: null,
      auth_time: null,
    },
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    acrValues: ['urn:one', 'urn:two'],
    // A refresh token for everybody who is allowed one, without `prompt=consent` each time.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    // Its own calls go to this machine, which it refuses unless told otherwise.
    fetch: (url, { dispatcher: _guard, ...options }) => globalThis.fetch(url, options),
    findAccount: async (_ctx, id) => {
      const said = accounts.get(id) ?? {};
      if (said.gone) return undefined;
      const claims = { sub: id, name: `${id} of the provider`, email: `${id}@example.com`, email_verified: true, groups: ['staff'], ...said };
      delete claims.gone;
      return { accountId: id, claims: async () => claims };
    },
    ttl: { Session: 3600, Grant: 3600, AccessToken: 600, IdToken: 300, RefreshToken: 3600, Interaction: 600 },
  });
  for (const event of ['server_error', 'backchannel.error', 'backchannel.success', 'grant.error', 'authorization.error', 'revocation.error']) {
    made.on(event, (...args) => {
      const error = args.find((arg) => arg instanceof Error);
      tell({ event, error: error && `${error.message} ${error.error_description ?? ''}`.trim() });
    });
  }
  made.on('grant.success', (ctx) => tell({ event: 'grant.success', kind: ctx.oidc.params.grant_type, pkce: Boolean(ctx.oidc.params.code_verifier) }));
  return made.callback();
}

let answer;
const server = http.createServer((request, response) => answer(request, response));
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  answer = provider(issuer);
  tell({ issuer });
  createInterface({ input: process.stdin }).on('line', (line) => {
    const { rotate, skew: seconds, account, ...said } = JSON.parse(line);
    if (rotate) answer = provider(issuer);
    if (seconds !== undefined) skew = seconds;
    if (account) accounts.set(account, said);
    tell({ done: line });
  }).on('close', () => process.exit(0));
});
