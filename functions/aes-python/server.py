"""The encryption benchmark: AES-256 in counter mode, written in Python itself.

The key is the text of vSwarm's key (32 characters), not the 16 bytes it spells.
"""
import aes_pb2
import pyaes
import serve

KEY = b"6368616e676520746869732070617373"
MESSAGE = "defaultplaintext"  # stands for an empty request and for "world"


def encrypt(plaintext):
    counter = pyaes.Counter(initial_value=0)
    return pyaes.AESModeOfOperationCTR(KEY, counter=counter).encrypt(plaintext)


def show_encryption(request, _):
    plaintext = request.plaintext_message
    if plaintext in ("", "world"):
        plaintext = MESSAGE
    ciphertext = encrypt(plaintext)
    info = f"fn: AES | plaintext: {plaintext} | ciphertext: {ciphertext} | runtime: Python"
    return aes_pb2.ReturnEncryptionInfo(encryption_info=info)


if __name__ == "__main__":
    serve.main(50051, aes__Aes={"ShowEncryption": serve.unary(aes_pb2.PlainTextMessage, show_encryption)})
