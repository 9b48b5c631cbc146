'use strict';
// The currency service: which currencies there are, and an amount in another one.

const rates = require('./currency_conversion.json');
const serve = require('./serve');

const NANOS = 1e9; // in one unit

// carry moves fractions of units to nanos and whole units of nanos to units.
function carry(amount) {
  const nanos = amount.nanos + (amount.units % 1) * NANOS;
  return {
    units: Math.floor(amount.units) + Math.floor(nanos / NANOS),
    nanos: nanos % NANOS,
  };
}

function getSupportedCurrencies(call, callback) {
  callback(null, { currency_codes: Object.keys(rates) });
}

// convert goes by way of euros, in which all rates are given.
function convert(call, callback) {
  const { from, to_code: to } = call.request;
  const euros = carry({
    units: from.units / rates[from.currency_code],
    nanos: from.nanos / rates[from.currency_code],
  });
  euros.nanos = Math.round(euros.nanos);
  const result = carry({ units: euros.units * rates[to], nanos: euros.nanos * rates[to] });
  callback(null, {
    currency_code: to,
    units: Math.floor(result.units),
    nanos: Math.floor(result.nanos),
  });
}

serve.main(7000, 'hipstershop.proto', 'hipstershop.CurrencyService', { getSupportedCurrencies, convert });
