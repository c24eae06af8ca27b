# mod_md CVE-2018-8011: a challenge that nobody had asked for ended the process. Connections and requests of the ACME protocol,
# complete, odd and incomplete, with nobody there to answer and with somebody.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::CModule;
use ModSSL::Client qw(:all);

ours_only('the stock module asks for a challenge without a name, which ends the process of a module that compares it');

for my $with ('', "LoadModule tls_probe_module \@root\@/mod_tls_probe.so\nProbeChallenge challenge.test \@pki\@/a.crt \@pki\@/a.key\n") {
    my $h = ModSSL::Httpd->new(listen => [qw(https plain)], config => $with . <<'END');
Protocols http/1.1 acme-tls/1
<VirtualHost *:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    SSLVerifyClient optional
    SSLCACertificateFile @pki@/ca.crt
</VirtualHost>
END
    ModSSL::CModule::build('mod_tls_probe', $h->root) if $with;
    $h->start or BAIL_OUT($h->why);
    my $who = $with ? 'with a module for it' : 'without';
    for my $version ('1.2', '1.3') {
        for my $name (undef, '', 'rsa.test', 'challenge.test', 'x' x 255, 'a.' x 120 . 'test', '127.0.0.1', "nul\0name", '..', '*') {
            for my $alpn (['acme-tls/1'], ['acme-tls/1', 'http/1.1'], ['http/1.1', 'acme-tls/1'], ['acme-tls/1' x 20]) {
                my $s = tls_connect(port => $h->port, version => $version, alpn => $alpn, defined $name ? (sni => $name) : ());
                # whatever becomes of it: such a connection carries no HTTP
                if ($s && (alpn($s) // '') eq 'acme-tls/1') {
                    print {$s} "GET / HTTP/1.1\r\nHost: rsa.test\r\nConnection: close\r\n\r\n";
                    my $r = read_response($s);
                    ok(!$r || $r->{status} >= 400, 'no page over acme-tls/1') if $r;
                }
            }
        }
    }
    for my $port ('https', 'plain') {
        for my $path ('', '/', '/x', '//', '/../../x', '/%00', '/' . 'x' x 7000, '?x') {
            for my $method ('GET', 'HEAD', 'POST', 'OPTIONS', 'BREW') {
                my $s = $port eq 'https' ? tls_connect(port => $h->port, sni => 'rsa.test') : raw_connect($h->port('plain'));
                my $r = $s && http_request($s, method => $method, path => "/.well-known/acme-challenge$path", host => 'rsa.test', close => 1);
                ok(!$r || $r->{status} != 200 || $method eq 'OPTIONS', "$who: $port: $method of a challenge") if $r;
            }
        }
    }
    ok($h->alive, "$who: the server is up");
    my $s = tls_connect(port => $h->port, sni => 'rsa.test') or BAIL_OUT($tls_error);
    is(http_get($s, '/', 'rsa.test')->{status}, 200, "$who: and serves");
    unlike($h->errorlog, qr/exit signal|Segmentation/, "$who: no crash");
    $h->stop;
}
done_testing;
