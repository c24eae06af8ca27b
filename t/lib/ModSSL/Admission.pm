package ModSSL::Admission;

=head1 NAME

ModSSL::Admission - which virtual host lets which client in

=head1 SYNOPSIS

    use ModSSL::Admission qw(admissions);
    my $h = admissions(
        base => "SSLVerifyClient require\nSSLOCSPEnable on",
        dir  => $dir,                          # certificates that are not in the PKI
        rows => [
            ['revoked', "SSLOCSPDefaultResponder $url", 'client', 'out', log => qr/revoked on/],
        ]);

=head1 DESCRIPTION

A server with one virtual host per row (name, directives besides C<base>, client certificate or undef, verdict); then a
connection to each, by turns with TLS 1.2 and 1.3. The verdict is "out" or what SSL_CLIENT_VERIFY is to be. What may
follow: C<stock> (the verdict where the stock module differs), C<log> (a line that our error log has then),
C<asked> (the requests that C<< responder => >> has got, as "path" or "path -" without a nonce),
C<version>. Returns the server, still running.

=cut

use strict;
use warnings;
use Exporter 'import';
use Test::More;
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

our @EXPORT_OK = qw(admissions admitted);

sub host {
    my ($port, $directives) = @_;
    return <<"END";
<VirtualHost 127.0.0.1:\@port:$port\@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    \@pki\@/rsa.crt
    SSLCertificateKeyFile \@pki\@/rsa.key
    SSLCACertificateFile  \@pki\@/ca.crt
    SSLOptions +StdEnvVars
    $directives
</VirtualHost>
END
}

# SSL_CLIENT_VERIFY, or "out".
sub admitted {
    my ($port, $version, $client, $dir) = @_;
    my @who = !defined $client ? ()
            : $dir && -e "$dir/$client.crt" ? (cert => "$dir/$client.crt", key => "$dir/$client.key")
            :                                 (client => $client);
    my $s = tls_connect(port => $port, version => $version, @who);
    my $r = $s && http_get($s, '/cgi/env', 'rsa.test');
    my ($verify) = $r ? $r->{body} =~ /^SSL_CLIENT_VERIFY=(.*)$/m : ();
    return $verify // 'out';
}

sub admissions {
    my (%o) = @_;
    my @rows = @{ $o{rows} };
    my $h = ModSSL::Httpd->new(listen => [map { "p$_" } 0 .. $#rows],
                               config => join '', map { host("p$_", "$o{base}\n$rows[$_][1]") } 0 .. $#rows);
    $h->start or BAIL_OUT($h->why);
    for my $i (0 .. $#rows) {
        my ($name, undef, $client, $want, %more) = @{ $rows[$i] };
        my $version = $more{version} // ('1.2', '1.3')[$i % 2];
        $want = $more{stock} if is_stock() && defined $more{stock};
        $h->log_mark;
        is(admitted($h->port("p$i"), $version, $client, $o{dir}), $want, "$name: TLS $version: $want");
        if ($more{log} && !is_stock()) {
            ok($h->errorlog_like($more{log}), "$name: the log says why") or diag $h->errorlog;
        }
        my @asked = $o{responder} ? map { $_->{path} . ($_->{nonce} ? '' : ' -') } $o{responder}->requests : ();
        is_deeply(\@asked, $more{asked}, "$name: what was asked") if $more{asked};
    }
    return $h;
}

1;
