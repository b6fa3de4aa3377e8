#include "controlplane/discovery/client_certificate.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

namespace millrace::control {
namespace {

namespace fs = std::filesystem;

constexpr long kValidSeconds = 10L * 365 * 24 * 3600;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Bio = std::unique_ptr<BIO, Free>;

bool set_serial(X509* certificate) {
  uint64_t serial = 0;
  return RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

bool set_name(X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>("millraced");
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

Certificate sign_own(EVP_PKEY* key) {
  Certificate certificate(X509_new());
  const bool made = certificate && X509_set_version(certificate.get(), 2) == 1 && set_serial(certificate.get()) &&
                    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0) != nullptr &&
                    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidSeconds) != nullptr &&
                    set_name(certificate.get()) && X509_set_pubkey(certificate.get(), key) == 1 &&
                    X509_sign(certificate.get(), key, EVP_sha384()) != 0;
  return made ? std::move(certificate) : nullptr;
}

std::string text_of(BIO* bio) {
  char* begin = nullptr;
  const long bytes = BIO_get_mem_data(bio, &begin);
  return {begin, static_cast<size_t>(bytes)};
}

std::string describe_errno(const std::string& path) { return path + ": " + std::strerror(errno); }

}  // namespace

std::string write_private_file(const std::string& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) return fs::path(path).parent_path().string() + ": " + error.message();
  const std::string fresh = path + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return describe_errno(fresh);
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  std::string problem = written ? "" : describe_errno(fresh);
  close(fd);
  if (problem.empty() && rename(fresh.c_str(), path.c_str()) != 0) problem = describe_errno(path);
  if (!problem.empty()) unlink(fresh.c_str());
  return problem;
}

std::string make_client_certificate(const std::string& cert_path, const std::string& key_path) {
  std::error_code ignored;
  if (fs::exists(cert_path, ignored)) return {};
  const Key key(EVP_EC_gen("P-384"));
  const Certificate certificate = key ? sign_own(key.get()) : nullptr;
  const Bio key_text(BIO_new(BIO_s_mem()));
  const Bio cert_text(BIO_new(BIO_s_mem()));
  if (!certificate || !key_text || !cert_text ||
      PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
      PEM_write_bio_X509(cert_text.get(), certificate.get()) != 1)
    return cert_path + ": a certificate could not be made";
  if (std::string problem = write_private_file(key_path, text_of(key_text.get())); !problem.empty()) return problem;
  std::string problem = write_private_file(cert_path, text_of(cert_text.get()));
  if (!problem.empty()) unlink(key_path.c_str());
  return problem;
}

}  // namespace millrace::control
