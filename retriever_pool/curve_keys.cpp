#include "retriever_pool/curve_keys.hpp"

#include <zmq.h>

#include <array>
#include <cstdint>
#include <stdexcept>

namespace rookery::retriever_pool {

namespace {
constexpr std::size_t kKeyCharacters = 40, kKeyBytes = 32;
}

CurvePair make_curve_pair() {
  std::array<char, kKeyCharacters + 1> public_key{}, secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) {
    throw std::runtime_error("ZeroMQ was built without CURVE");
  }
  return {public_key.data(), secret_key.data()};
}

std::string curve_public_key(const std::string& secret_key) {
  std::array<char, kKeyCharacters + 1> public_key{};
  if (!is_curve_key(secret_key) || zmq_curve_public(public_key.data(), secret_key.c_str()) != 0) {
    throw std::invalid_argument("expected a CURVE key of 40 characters");
  }
  return public_key.data();
}

bool is_curve_key(std::string_view text) {
  std::array<std::uint8_t, kKeyBytes> bytes{};
  return text.size() == kKeyCharacters &&
         zmq_z85_decode(bytes.data(), std::string(text).c_str()) != nullptr;
}

}  // namespace rookery::retriever_pool
