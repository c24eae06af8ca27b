# httpd -t -D DUMP_SSL_CONFIG (and _JSON): TLS to backends, of virtual hosts that speak TLS to their clients and of those that do
# not, and of each <Proxy> section as it is merged over its host.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use JSON::PP ();
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(make_cert pki_dir pki_file slurp spew);
ours_only('the stock module has no DUMP_SSL_CONFIG');

my $pki = pki_dir();
my $h = ModSSL::Httpd->new(name => 'dump-proxy', modules => [qw(proxy proxy_http proxy_balancer lbmethod_byrequests slotmem_shm)],
    listen => [qw(tls plain engine none)]);
my $dir = $h->root . '/certs';
make_cert(dir => $dir, name => 'expired', type => 'client', cn => 'old client', start => -90 * 86400, end => -86400);
mkdir "$dir/path";
spew("$dir/path/one.pem", slurp(pki_file('proxy.pem')));
symlink 'one.pem', "$dir/path/12345678.0";

my ($on, $off) = (JSON::PP::true, JSON::PP::false);
$h->config(<<"CONF");
ServerName main.test:80
<Proxy "https://main.test/">
    SSLProxyALPN http/1.1
</Proxy>
<VirtualHost 127.0.0.1:\@port:tls\@>
    ServerName tls.test
    SSLEngine on
    SSLCertificateFile $pki/rsa.crt
    SSLCertificateKeyFile $pki/rsa.key
    SSLOCSPDefaultResponder http://ocsp.test/
    SSLProxyEngine on
    SSLProxyProtocol TLSv1.2
    SSLProxyCipherSuite ECDHE-RSA-AES128-GCM-SHA256
    SSLProxyVerify require
    SSLProxyVerifyDepth 3
    SSLProxyCACertificateFile $pki/bundle.crt
    SSLProxyCARevocationFile $pki/ca-and-inter.crl
    SSLProxyCARevocationCheck chain no_crl_for_cert_ok
    SSLProxyOCSPEnable leaf no_ocsp_for_cert_ok
    SSLProxyMachineCertificateFile $pki/proxy.pem
    <Proxy "balancer://cluster">
        SSLProxyVerify none
        SSLProxyMachineCertificateFile $dir/expired.crt
    </Proxy>
    <ProxyMatch "^https://[a-f]">
        SSLProxyCheckPeerName off
        SSLProxyCheckPeerCN on
        SSLProxyCheckPeerExpire off
        SSLProxyProtocol all
        SSLProxyCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256
        SSLProxySessionCache off
        SSLProxyRequireCloseNotify off
        SSLProxySNI other.test
        SSLProxyMachineCertificatePath $dir/path
    </ProxyMatch>
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:plain\@>
    ServerName plain.test
    SSLEngine off
    SSLProxyEngine on
    SSLProxyCACertificatePath $pki/ca-dir
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:engine\@>
    ServerName engine.test
    <Proxy "https://only.test/">
        SSLProxyEngine on
    </Proxy>
</VirtualHost>
<VirtualHost 127.0.0.1:\@port:none\@>
    ServerName none.test
    SSLProxyVerify require
</VirtualHost>
CONF

my ($status, $output) = $h->run('-t', '-D', 'DUMP_SSL_CONFIG_JSON');
is($status, 0, 'exit status');
my ($json) = $output =~ /^(\{\n.*^\}\n)/ms;
my $all = eval { JSON::PP->new->utf8->decode($json) } or BAIL_OUT("no JSON: $@ $output");

# The facts of $got that $want names.
sub facts_are {
    my ($got, $want, $label) = @_;
    is_deeply({ map { $_ => $got->{$_} } keys %$want }, $want, $label);
    return;
}
my ($host) = @{ $all->{virtual_hosts} };
is($host->{name}, 'tls.test', 'a host that speaks TLS to both sides');
my %own = (configured_protocols => ['TLSv1.2'], configured_ciphers => 'ECDHE-RSA-AES128-GCM-SHA256:!aNULL:!eNULL:!EXP', verify => 'require', depth => 3,
    ca_file => "$pki/bundle.crt", cas_in_the_file => 3, crl_check => 'chain', no_crl_is_no_error => $on, crl_file => "$pki/ca-and-inter.crl",
    crls_in_the_file => 2, ocsp => 'leaf', no_ocsp_responder_is_no_error => $on, ocsp_responder => 'http://ocsp.test/', compared_names => 'all',
    dates_checked => $on, certificate_file => "$pki/proxy.pem", sessions_resumed => $on, close_notify_required => $on);
facts_are($host->{backends}, \%own, 'what it says itself');
like($host->{backends}{defined_at}, qr/httpd\.conf:\d+$/, '... and where');
facts_are($host->{backends}{certificates}[0], { file => "$pki/proxy.pem", subject => 'CN=proxy.test', issuer => 'CN=Test Root CA', state => 'valid' },
    '... its client certificate');
is(scalar @{ $host->{backends}{certificates} }, 1, '... no other');

my ($inherited, $balancer, $match, @more) = @{ $host->{backend_sections} };
is(scalar @more, 0, 'its sections, with those of the main server');
facts_are($inherited, { %own, section => '<Proxy "https://main.test/">', alpn => 'http/1.1', sslproxyengine => $on }, '... of the main server');
facts_are($balancer, { %own, section => '<Proxy "balancer://cluster">', verify => 'none', certificate_file => "$dir/expired.crt" }, '... of a balancer');
facts_are($balancer->{certificates}[0], { subject => 'CN=old client', state => 'EXPIRED' }, '... its client certificate');
like($balancer->{defined_at}, qr/httpd\.conf:\d+$/, '... where it is');
facts_are($match, { %own, section => '<ProxyMatch "^https://[a-f]">', compared_names => 'first common name', dates_checked => $off,
    configured_protocols => [qw(TLSv1.3 TLSv1.2 TLSv1.1 TLSv1)], configured_tls_1_3_suites => 'TLS_AES_128_GCM_SHA256', sessions_resumed => $off,
    close_notify_required => $off, sni => 'other.test', certificate_path => "$dir/path" }, '... of a pattern');
is_deeply([map { $_->{file} } @{ $match->{certificates} }], ["$pki/proxy.pem", "$dir/path/one.pem"], '... the certificates of a directory, each once');

my ($plain, $engine, @others) = @{ $all->{hosts_with_tls_to_backends_only} };
is_deeply([map { $_->{name} } @others], [], 'hosts that speak TLS to backends only: no more than there are');
facts_are($plain, { name => 'plain.test', sslengine_on_at => undef, addresses => ['127.0.0.1:' . $h->port('plain')] }, 'one of them');
facts_are($plain->{backends}, { verify => 'none', depth => 1, ca_path => "$pki/ca-dir", crl_check => 'none', ocsp => 'off', certificates => [] }, '... what it says');
is_deeply([map { "$_->{section} $_->{sslproxyengine}" } @{ $plain->{backend_sections} }], ['<Proxy "https://main.test/"> 1'], '... its section');
facts_are($engine, { name => 'engine.test', backends => undef }, 'one with the engine in a section');
is_deeply([map { "$_->{section} $_->{sslproxyengine}" } @{ $engine->{backend_sections} }], ['<Proxy "https://main.test/"> 0', '<Proxy "https://only.test/"> 1'], '... the section');

(undef, my $text) = $h->run('-t', '-D', 'DUMP_SSL_CONFIG');
$text =~ s/^\[.*\n//mg;
like($text, qr/^Virtual host plain\.test:\d+ \(TLS to backends only\)$/m, 'for people: a heading for each host');
like($text, qr/^  Backends of <Proxy "balancer:\/\/cluster">$/m, '... and section');
is_deeply([grep { length > 120 } split /\n/, $text], [], '... no line of more than 120 columns');
unlike($text, qr/PRIVATE KEY/, '... no key');

# Without mod_proxy there are no sections, and nothing is said of backends.
my $alone = ModSSL::Httpd->new(name => 'dump-alone', config => "SSLEngine on\nSSLCertificateFile $pki/rsa.crt\nSSLCertificateKeyFile $pki/rsa.key\n");
(undef, $text) = $alone->run('-t', '-D', 'DUMP_SSL_CONFIG');
like($text, qr/^Virtual host/m, 'without mod_proxy');
unlike($text, qr/Backend/i, '... nothing of backends');
done_testing;
