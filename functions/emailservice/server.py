"""The email service: an order's confirmation is written and, in pretence, sent.

vSwarm's function runs in a mode in which it loads the template and leaves it at
that; an email function that writes no email measures only its call, so this one
renders it.
"""
import os

import grpc
import hipstershop_pb2 as pb
import serve
from jinja2 import Environment, FileSystemLoader, TemplateError, select_autoescape

templates = Environment(
    loader=FileSystemLoader(os.path.dirname(os.path.abspath(__file__))),
    autoescape=select_autoescape(["html", "xml"]))
template = templates.get_template("confirmation.html")


def send_order_confirmation(request, context):
    try:
        template.render(order=request.order)
    except TemplateError as err:
        context.abort(grpc.StatusCode.INTERNAL, f"write the confirmation: {err}")
    return pb.Empty()


if __name__ == "__main__":
    serve.main(8080, hipstershop__EmailService={
        "SendOrderConfirmation": serve.unary(pb.SendOrderConfirmationRequest, send_order_confirmation),
    })
