// An SMS centre: npm's `smpp`. Prints its port, then what it is told, one JSON object a line.
//
// The last four digits of a destination say what becomes of a text:
//   0011 no such destination   0014 queue full   0058 throttled   0008 system error
//   9997 no answer             9998 the connection ends without one
//   9996 taken, then the connection ends       9995 taken, reported as undeliverable, by parameter alone
//
// With two arguments, the files of a key and a certificate, it speaks TLS.
// Everything else is taken and, a moment later, reported as delivered.
'use strict';
const smpp = require('smpp');

const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const refusals = {
  '0011': smpp.ESME_RINVDSTADR,
  '0014': smpp.ESME_RMSGQFUL,
  '0058': smpp.ESME_RTHROTTLED,
  '0008': smpp.ESME_RSYSERR,
};
let taken = 0;

const [key, cert] = process.argv.slice(2).map((file) => require('fs').readFileSync(file));
const server = smpp.createServer(key ? { key, cert } : {}, (session) => {
  session.on('error', (error) => tell({ error: String(error.message) }));
  session.on('close', () => tell({ closed: true }));
  session.on('bind_transceiver', (pdu) => {
    const known = pdu.system_id === 'stepgate' && pdu.password === 'hushhush';
    tell({ bind: pdu.system_id, type: pdu.system_type, version: pdu.interface_version, known });
    session.send(pdu.response(known ? {} : { command_status: smpp.ESME_RBINDFAIL }));
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on('deliver_sm_resp', (pdu) => tell({ receipt_answered: pdu.command_status }));
  session.on('submit_sm', (pdu) => {
    const { short_message: short, message_payload: payload } = pdu;
    tell({
      to: pdu.destination_addr,
      to_kind: [pdu.dest_addr_ton, pdu.dest_addr_npi],
      from: pdu.source_addr,
      from_kind: [pdu.source_addr_ton, pdu.source_addr_npi],
      esm_class: pdu.esm_class,
      registered_delivery: pdu.registered_delivery,
      data_coding: pdu.data_coding,
      // The library reads the period as a point in time.
      lives: Math.round((pdu.validity_period - Date.now()) / 1000),
      in_one: payload === undefined,
      text: (short && short.message) || (payload && payload.message) || '',
    });
    const end = pdu.destination_addr.slice(-4);
    if (end === '9997') return;
    if (end === '9998') {
      session.destroy();
      return;
    }
    if (refusals[end] !== undefined) {
      session.send(pdu.response({ command_status: refusals[end] }));
      return;
    }
    taken += 1;
    const id = taken.toString(16).padStart(8, '0');
    session.send(pdu.response({ message_id: id }));
    if (end === '9996') {
      session.close();
      return;
    }
    if (end === '9995') {
      session.deliver_sm({
        esm_class: 4,
        source_addr: pdu.destination_addr,
        destination_addr: pdu.source_addr,
        short_message: '',
        receipted_message_id: id,
        message_state: 5,
      });
      return;
    }
    session.deliver_sm({
      esm_class: 4,
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611221201 done date:2611221202 stat:DELIVRD err:000 text:`,
    });
  });
});
server.listen(0, '127.0.0.1', () => tell({ port: server.address().port }));
