'use strict';
// The payment service: the card is checked and, in pretence, charged.

const { randomUUID } = require('crypto');
const grpc = require('@grpc/grpc-js');
const serve = require('./serve');

// Cards are valid through the month they expire in. The month they are compared
// with is fixed, so that a reply does not depend on the day it is asked for.
const TODAY = { year: 2025, month: 1 };

const TYPES = [
  { name: 'visa', number: /^4(\d{12}|\d{15})$/ },
  { name: 'mastercard', number: /^(5[1-5]\d{14}|2(22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12})$/ },
  { name: 'amex', number: /^3[47]\d{13}$/ },
  { name: 'dinersclub', number: /^3(0[0-5]|[68]\d)\d{11}$/ },
  { name: 'discover', number: /^6(011|5\d\d)\d{12}$/ },
  { name: 'jcb', number: /^35\d{14}$/ },
];

class CardError extends Error {
  constructor(message) {
    super(message);
    this.code = grpc.status.INVALID_ARGUMENT;
  }
}

// luhn is the check sum of card numbers, ISO/IEC 7812-1 annex B.
function luhn(number) {
  let sum = 0;
  for (let i = 0; i < number.length; i++) {
    let digit = Number(number[number.length - 1 - i]);
    if (i % 2 === 1) {
      digit *= 2;
      if (digit > 9) {
        digit -= 9;
      }
    }
    sum += digit;
  }
  return sum % 10 === 0;
}

function check(card) {
  const number = card.credit_card_number.replace(/[- ]/g, '');
  const type = TYPES.find((t) => t.number.test(number));
  if (!type || !luhn(number)) {
    throw new CardError('Credit card info is invalid');
  }
  if (type.name !== 'visa' && type.name !== 'mastercard') {
    throw new CardError(`Sorry, we cannot process ${type.name} credit cards. Only VISA or MasterCard is accepted.`);
  }
  const { credit_card_expiration_year: year, credit_card_expiration_month: month } = card;
  if (TODAY.year * 12 + TODAY.month > year * 12 + month) {
    throw new CardError(`Your credit card (ending ${number.slice(-4)}) expired on ${month}/${year}`);
  }
}

function charge(call, callback) {
  try {
    check(call.request.credit_card);
    callback(null, { transaction_id: randomUUID() });
  } catch (err) {
    callback(err);
  }
}

serve.main(50051, 'hipstershop.proto', 'hipstershop.PaymentService', { charge });
