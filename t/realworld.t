# Configurations that people really run start and serve: Debian's own files, and the recommendations that Mozilla
# publishes (modern, intermediate, old).
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(mpm);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file slurp spew PASS);

sub answers {
    my ($h, $sni, %o) = @_;
    my $s = tls_connect(port => $h->port, sni => $sni, ca => pki_file('ca.crt'), name => $sni, %o) or return "no TLS: $tls_error";
    my $r = http_get($s, '/', $sni, close => 1) or return 'no answer';
    return version($s) . " $r->{status} $r->{body}";
}

subtest 'Debian' => sub {
    my ($mod, $site) = map { "/etc/apache2/$_.conf" } 'mods-available/ssl', 'sites-available/default-ssl';
    plan skip_all => 'not a Debian apache2' if !-e $mod || !-e $site;
    my $h = ModSSL::Httpd->new(name => 'debian', env => {});
    my $port = $h->port;
    my $dialog = $h->cgi('ask', "#!/bin/sh\necho '" . PASS . "'\n");
    my %text = map { $_ => slurp($_) } $mod, $site;
    # nothing is changed but the places: files, port and host
    for ($text{$mod}, $text{$site}) {
        s{\$\{APACHE_RUN_DIR\}}{\@root\@/run}g;
        s{\$\{APACHE_LOG_DIR\}}{\@root\@/logs}g;
        s{exec:/usr/share/apache2/ask-for-passphrase}{exec:$dialog};
        s{<VirtualHost _default_:443>|<VirtualHost \*:443>}{<VirtualHost _default_:$port>};
        s{/etc/ssl/certs/ssl-cert-snakeoil\.pem}{\@pki\@/rsa.crt};
        s{/etc/ssl/private/ssl-cert-snakeoil\.key}{\@pki\@/rsa-enc.key};
        s{(DocumentRoot\s+)/var/www/html}{$1\@htdocs\@};
        s{/usr/lib/cgi-bin}{\@root\@/cgi}g;
    }
    like($text{$site}, qr/<VirtualHost _default_:$port>/, 'the site is on our port');
    unlike($text{$site}, qr/snakeoil\.(?:pem|key)$/m, 'and has our certificate');
    $h->config("$text{$mod}\n$text{$site}");
    $h->start or return fail($h->why);
    is(answers($h, 'rsa.test', version => '1.3'), "TLSv1_3 200 It works\n", 'TLS 1.3');
    is(answers($h, 'rsa.test', version => '1.2'), "TLSv1_2 200 It works\n", 'TLS 1.2');

    # <FilesMatch "\.(?:cgi|shtml|phtml|php)$"> and <Directory .../cgi> have +StdEnvVars
    my $s = tls_connect(port => $port, sni => 'rsa.test');
    my $r = http_get($s, '/cgi/env', 'rsa.test');
    like($r->{body}, qr/^SSL_PROTOCOL=TLSv1\.\d$/m, 'variables where the site asks for them');
    $r = http_get($s, '/', 'rsa.test', close => 1);
    is($r->{status}, 200, 'and the connection stays up');
    ok($h->graceful, 'graceful restart, with an encrypted key');
    is(answers($h, 'rsa.test'), "TLSv1_3 200 It works\n", 'still serves');
    ok($h->stop, 'stops by itself');
    unlike($h->errorlog . $h->accesslog('error.log'), qr/\[\w*:(?:error|crit|alert|emerg)\]/, 'nothing worse than a warning in the log');
};

# The three recommendations of "Security/Server Side TLS", as https://ssl-config.mozilla.org spells them for httpd 2.4.
my $INTERMEDIATE = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:'
    . 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:'
    . 'DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305';
my $OLD = "$INTERMEDIATE:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"
    . 'ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA256:'
    . 'DHE-RSA-AES256-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA';

# [name, protocols, ciphers, own order of ciphers, versions that connect, versions that do not]
for my $case (
    ['modern', 'all -SSLv3 -TLSv1 -TLSv1.1 -TLSv1.2', undef, 'off', ['1.3'], ['1.2', '1.1']],
    ['intermediate', 'all -SSLv3 -TLSv1 -TLSv1.1', $INTERMEDIATE, 'off', ['1.3', '1.2'], ['1.1', '1.0']],
    ['old', 'all -SSLv3', "$OLD:\@SECLEVEL=0", 'on', ['1.3', '1.2', '1.1', '1.0'], []],
) {
    my ($name, $protocols, $ciphers, $order, $in, $out) = @$case;
    subtest "Mozilla $name" => sub {
        my $suite = $ciphers ? "SSLCipherSuite $ciphers" : '';
        my $h = ModSSL::Httpd->new(name => $name, listen => [qw(https plain)], modules => ['http2'], config => <<"CONF");
<VirtualHost *:\@port:plain\@>
    RewriteEngine On
    RewriteCond %{REQUEST_URI} !^/\\.well\\-known/acme\\-challenge/
    RewriteRule ^(.*)\$ https://%{HTTP_HOST}\$1 [R=301,L]
</VirtualHost>
<VirtualHost *:\@port:https\@>
    SSLEngine on
    SSLCertificateFile    \@pki\@/chain.crt
    SSLCertificateKeyFile \@pki\@/chain.key
    Protocols h2 http/1.1
    Header always set Strict-Transport-Security "max-age=63072000"
</VirtualHost>
SSLProtocol             $protocols
$suite
SSLHonorCipherOrder     $order
SSLSessionTickets       off
SSLUseStapling On
SSLStaplingCache "shmcb:logs/ssl_stapling(32768)"
CONF
        $h->start or return fail($h->why);
        for my $version (@$in) {
            my $shown = 'TLSv' . ($version eq '1.0' ? '1' : $version =~ tr/./_/r);
            is(answers($h, 'chain.test', version => $version), "$shown 200 It works\n", "TLS $version");
        }
        is(presented($h->port, version => $_), undef, "no TLS $_") for @$out;
        my ($status, $headers) = h2_get(port => $h->port, host => 'chain.test');
        is($status, 200, 'HTTP/2');
        is($curl_info{http_version}, 2, 'it is') if mpm() ne 'prefork';    # where mod_http2 does nothing
        is($headers->{'strict-transport-security'}, 'max-age=63072000', 'HSTS');
        my $r = http_get(raw_connect($h->port('plain')), '/x?y', 'chain.test');
        is("$r->{status} $r->{headers}{location}", '301 https://chain.test/x?y', 'plain HTTP is sent on');
        if ($in->[-1] eq '1.2') {
            my $first = s_client(port => $h->port, args => ['-tls1_2']);
            unlike($first, qr/TLS session ticket:/, 'no ticket');
            like($first, qr/Verif|SSL handshake has read/, 'a handshake was made');
        }
    };
}

# The client's order of ciphers counts when SSLHonorCipherOrder is off, the server's when it is on.
for my $case (['off', 'ECDHE-RSA-AES256-GCM-SHA384'], ['on', 'ECDHE-RSA-AES128-GCM-SHA256']) {
    my ($order, $want) = @$case;
    my $h = ModSSL::Httpd->new(name => "order-$order", config => <<"CONF");
SSLEngine on
SSLCertificateFile    \@pki\@/rsa.crt
SSLCertificateKeyFile \@pki\@/rsa.key
SSLCipherSuite        $INTERMEDIATE
SSLHonorCipherOrder   $order
CONF
    $h->start or die $h->why;
    my $s = tls_connect(port => $h->port, version => '1.2', ciphers => 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256')
        or die $tls_error;
    is(cipher($s), $want, "SSLHonorCipherOrder $order");
}

done_testing;
