"""The shop's recommendation service: a few products that are not in the cart.

It asks the product catalog service, at PRODUCT_CATALOG_SERVICE_ADDR, every time.
"""
import os
import random

import grpc
import hipstershop_pb2 as pb
import serve

MOST = 5

channel = grpc.insecure_channel(os.environ.get("PRODUCT_CATALOG_SERVICE_ADDR", "127.0.0.1:3550"))
list_products = channel.unary_unary(
    "/hipstershop.ProductCatalogService/ListProducts",
    request_serializer=pb.Empty.SerializeToString,
    response_deserializer=pb.ListProductsResponse.FromString)


def list_recommendations(request, _):
    products = [product.id for product in list_products(pb.Empty()).products]
    others = list(set(products) - set(request.product_ids))
    chosen = random.sample(range(len(others)), min(MOST, len(others)))
    return pb.ListRecommendationsResponse(product_ids=[others[i] for i in chosen])


if __name__ == "__main__":
    serve.main(8080, hipstershop__RecommendationService={
        "ListRecommendations": serve.unary(pb.ListRecommendationsRequest, list_recommendations),
    })
