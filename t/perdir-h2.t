# What would need another handshake is refused to an HTTP/2 stream, with HTTP_1_1_REQUIRED, so that clients come back with
# HTTP/1.1; a stream is served when the connection already has what is demanded (RFC 7540, 9.2; RFC 8740).
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock have_module mpm);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file);

plan(skip_all => 'no mod_http2') if !have_module('http2');
plan(skip_all => 'mod_http2 needs a threaded MPM') if mpm() eq 'prefork';

my $demands = join '', map { "<Location /cgi/env/$_->[0]>\n$_->[1]\n</Location>\n<Location /cgi/echo/$_->[0]>\n$_->[1]\n</Location>\n" }
    ['require', 'SSLVerifyClient require'], ['optional', 'SSLVerifyClient optional'], ['none', 'SSLVerifyClient none'],
    ['cipher', 'SSLCipherSuite ECDHE-RSA-AES256-GCM-SHA384'];
my $host = <<'END';
    ServerName rsa.test
    Protocols h2 http/1.1
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    SSLCACertificateFile  @pki@/ca.crt
    SSLOptions +StdEnvVars
END
my $h = ModSSL::Httpd->new(modules => ['http2', 'include'], listen => [qw(https asks)], config => <<"END");
AddOutputFilter INCLUDES .shtml
<Directory \@htdocs\@>
    Options +Includes
</Directory>
<VirtualHost 127.0.0.1:\@port:https\@>
$host
$demands
    <Location /secret>
        SSLVerifyClient require
    </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:asks\@>
$host
    SSLVerifyClient require
$demands
</VirtualHost>
END
$h->file('htdocs/secret/index.html', "the secret\n");
$h->file('htdocs/page.shtml', "before <!--#include virtual=\"/secret/index.html\" --> after\n");
$h->start or BAIL_OUT($h->why);

# [port, path, more arguments of curl, status, HTTP version, SSL_CLIENT_VERIFY]
my @V12 = ('--tls-max', '1.2');
my @CERT = ('--cert', pki_file('client.pem'));
my $GCM = 'ECDHE-RSA-AES128-GCM-SHA256';
my @CASES = (
    ['https', 'none',     [],             200, '2',   'NONE'],
    ['https', 'require',  [@CERT],        200, '1.1', 'SUCCESS'],
    ['https', 'require',  [@CERT, @V12],  200, '1.1', 'SUCCESS'],
    ['https', 'optional', [@CERT],        200, '1.1', 'SUCCESS'],
    ['https', 'require',  [],             0,   '0',   undef],       # asked with HTTP/1.1, and gives none: the end
    ['https', 'cipher',   [],             200, '2',   'NONE'],
    ['https', 'cipher',   [@V12, '--ciphers', 'ECDHE-RSA-AES256-GCM-SHA384'], 200, is_stock() ? '1.1' : '2', 'NONE'],
    ['https', 'cipher',   [@V12, '--ciphers', "$GCM:ECDHE-RSA-AES256-GCM-SHA384"], 200, '1.1', 'NONE'],
    ['asks',  'none',     [@CERT],        200, '2',   'SUCCESS'],
    ['asks',  'require',  [@CERT],        200, '2',   'SUCCESS'],
    ['asks',  'require',  [@CERT, @V12],  200, '2',   'SUCCESS'],
    ['asks',  'optional', [@CERT],        200, '2',   'SUCCESS'],
);
for my $case (@CASES) {
    my ($port, $path, $args, $status, $version, $verify) = @$case;
    my $name = "$port, $path, " . join ' ', map { s{.*/}{}r } @$args;
    my ($got, undef, $body) = h2_get(port => $h->port($port), host => 'rsa.test', path => "/cgi/env/$path", args => $args);
    is($got, $status, "$name: status");
    is($curl_info{http_version}, $version, "$name: HTTP/$version");
    is(($body =~ /^SSL_CLIENT_VERIFY=(\w+)/m)[0], $verify, "$name: SSL_CLIENT_VERIFY");
}
my (undef, undef, $echo) = h2_get(port => $h->port, host => 'rsa.test', path => '/cgi/echo/require', args => [@CERT, '--data-binary', 'x' x 50_000]);
is(length $echo, 50_000, 'a request with a body');
is($curl_info{http_version}, '1.1', 'comes again, too');

# What goes over the wire, and that the connection lives for other streams
my @urls = map { 'https://127.0.0.1:' . $h->port . "/cgi/env/$_" } qw(require none);
my $out = `timeout 100 nghttp -v @urls 2>&1`;
like($out, qr/recv RST_STREAM frame.*?\n\s*\(error_code=HTTP_1_1_REQUIRED/, 'the stream ends with HTTP_1_1_REQUIRED');
like($out, qr/^SSL_CLIENT_VERIFY=NONE$/m, 'another stream of this connection is served');
unlike($out, qr/recv GOAWAY.*?error_code=(?!NO_ERROR)/s, 'the connection is not given up');

(undef, undef, my $page) = h2_get(port => $h->port, host => 'rsa.test', path => '/page.shtml');
unlike($page, qr/secret/, 'a subrequest gives nothing away');

SKIP: {
    skip 'the wording is ours', 1 if is_stock();
    ok($h->errorlog_like(qr{/cgi/env/require demands another handshake \(verify-client\), which HTTP/2 forbids}), 'the log');
}
ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;
