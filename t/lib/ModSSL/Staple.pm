package ModSSL::Staple;

=head1 NAME

ModSSL::Staple - what a server staples

=head1 SYNOPSIS

    use ModSSL::Staple qw(staple staple_comes stapling_host);
    is(staple($h, sni => 'a.test', version => '1.2'), 'none', 'nothing yet');
    is(staple_comes($h, 'good', sni => 'a.test'), 'good', 'an answer');    # waits for it, or gives up

=head1 FUNCTIONS

=head2 staple($httpd, %options)

One handshake that asks for an answer (openssl s_client -status): "good", "revoked", "unknown" (the status of the
certificate in a successful answer), the words of another responseStatus ("trylater"), "none", or "failed: ALERT".
Options: C<sni>, C<version> ("1.2", "1.3"), C<args> (more of s_client's), C<port> (a name of the httpd's).
In a list: that, and all that s_client wrote.

=head2 staple_comes($httpd, $wanted, %options)

Handshakes until one is answered as wanted, for a minute and more at most. Returns what the last was.

=head2 stapling_host($name, $certificate, $lines)

A C<< <VirtualHost> >> with SSLUseStapling on for the certificate (a path without suffix) and more lines.

=cut

use strict;
use warnings;
use Exporter 'import';
use ModSSL::Client qw(s_client);
use ModSSL::Httpd qw(wait_for);

our @EXPORT_OK = qw(staple staple_comes stapling_host);

sub staple {
    my ($h, %o) = @_;
    my @version = $o{version} ? '-tls' . $o{version} =~ tr/./_/r : ();
    my $out = s_client(port => $h->port($o{port}),
                       args => ['-status', @version, $o{sni} ? (-servername => $o{sni}) : '-noservername', @{ $o{args} || [] }]);
    my $word = $out =~ /alert (?:internal error|handshake failure)|:error:|no peer certificate available/ ? 'failed: ' . ($out =~ /alert ([\w ]+?):/ ? $1 : '?')
             : $out =~ /OCSP response: no response sent/           ? 'none'
             : $out =~ /Cert Status: (\w+)/                        ? $1
             : $out =~ /OCSP Response Status: (\w+)/               ? lc $1
             : $out =~ /CONNECTED/ && $out !~ /^Usage|unknown option/m ? 'none'
             :                                                       die "s_client: $out\n";
    return wantarray ? ($word, $out) : $word;
}

sub staple_comes {
    my ($h, $wanted, %o) = @_;
    my $got;
    wait_for(60, sub { $got = staple($h, %o); $got eq $wanted });
    return $got;
}

sub stapling_host {
    my ($name, $certificate, $lines, $port) = @_;
    $port ||= 'https';
    return <<"END";
<VirtualHost *:\@port:$port\@>
    ServerName $name
    SSLEngine on
    SSLUseStapling on
    SSLCertificateFile    $certificate.crt
    SSLCertificateKeyFile $certificate.key
    @{[ $lines || '' ]}
</VirtualHost>
END
}

1;
