'use strict';
// The encryption benchmark: AES-256 with chained blocks, written in JavaScript.
//
// The key is the text of vSwarm's key (32 characters), not the 16 bytes it spells.

const CryptoJS = require('crypto-js');
const serve = require('./serve');

const KEY = '6368616e676520746869732070617373';
const IV = '0000000000000000';
const MESSAGE = 'defaultplaintext'; // stands for an empty request and for "world"

function encrypt(plaintext) {
  const key = CryptoJS.enc.Utf8.parse(KEY);
  const iv = CryptoJS.enc.Utf8.parse(IV);
  return CryptoJS.AES.encrypt(plaintext, key, { iv }).ciphertext.toString();
}

function showEncryption(call, callback) {
  let plaintext = call.request.plaintext_message;
  if (plaintext === '' || plaintext === 'world') {
    plaintext = MESSAGE;
  }
  const info = `fn: AES | plaintext: ${plaintext} ciphertext: ${encrypt(plaintext)} | runtime: NodeJS`;
  callback(null, { encryption_info: info });
}

serve.main(50051, 'aes.proto', 'aes.Aes', { showEncryption });
