# SSLProtocol of a name-based virtual host counts for the clients that name it, and only for them; a host that says nothing
# has the setting of the main server if there is one, else that of the first host of its address.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

sub vhost {
    my ($name, $cert, $more) = @_;
    return <<"CONF";
<VirtualHost 127.0.0.1:\@port:https\@>
    ServerName $name.test
    SSLEngine on
    SSLCertificateFile    \@pki\@/$cert.crt
    SSLCertificateKeyFile \@pki\@/$cert.key
    $more
</VirtualHost>
CONF
}

# The version negotiated when the client offers all of them, and whether it gets each one alone.
sub versions {
    my ($h, $sni) = @_;
    my @got;
    for my $version ('1.2', '1.3') {
        my $s = tls_connect(port => $h->port, sni => $sni, version => $version);
        my $r = $s && http_get($s, '/', $sni || 'base.test', close => 1);
        push @got, $version if $r && $r->{status} == 200;
    }
    my $s = tls_connect(port => $h->port, sni => $sni);
    return (join(' ', @got) || 'none') . ', best ' . ($s ? version($s) : 'none');
}

for my $case (
    {   name => 'said by each host',
        conf => [ vhost('base', 'rsa', ''), vhost('old', 'a', 'SSLProtocol TLSv1.2'), vhost('new', 'b', 'SSLProtocol TLSv1.3'),
                  vhost('silent', 'c', ''), vhost('both', 'ecdsa', 'SSLProtocol -all +TLSv1.2 +TLSv1.3') ],
        want => { base => '1.2 1.3, best TLSv1_3', old => '1.2, best TLSv1_2', new => '1.3, best TLSv1_3', silent => '1.2 1.3, best TLSv1_3', both => '1.2 1.3, best TLSv1_3', unknown => '1.2 1.3, best TLSv1_3', '' => '1.2 1.3, best TLSv1_3' } },
    {   name => 'the first host takes 1.2 only',
        conf => [ vhost('base', 'rsa', 'SSLProtocol TLSv1.2'), vhost('old', 'a', 'SSLProtocol TLSv1.2'),
                  vhost('new', 'b', 'SSLProtocol TLSv1.3'), vhost('silent', 'c', ''),
                  vhost('both', 'ecdsa', 'SSLProtocol -all +TLSv1.2 +TLSv1.3') ],
        want => { base => '1.2, best TLSv1_2', old => '1.2, best TLSv1_2', new => '1.3, best TLSv1_3', silent => '1.2, best TLSv1_2', both => '1.2 1.3, best TLSv1_3', unknown => '1.2, best TLSv1_2', '' => '1.2, best TLSv1_2' } },
    {   name => 'the first host takes 1.3 only',
        conf => [ vhost('base', 'rsa', 'SSLProtocol TLSv1.3'), vhost('old', 'a', 'SSLProtocol TLSv1.2'),
                  vhost('new', 'b', 'SSLProtocol TLSv1.3'), vhost('silent', 'c', ''),
                  vhost('both', 'ecdsa', 'SSLProtocol -all +TLSv1.2 +TLSv1.3') ],
        want => { base => '1.3, best TLSv1_3', old => '1.2, best TLSv1_2', new => '1.3, best TLSv1_3', silent => '1.3, best TLSv1_3', both => '1.2 1.3, best TLSv1_3', unknown => '1.3, best TLSv1_3', '' => '1.3, best TLSv1_3' } },
    {   name => 'the main server takes 1.2 only',
        conf => [ "SSLProtocol TLSv1.2\n", vhost('base', 'rsa', ''), vhost('old', 'a', 'SSLProtocol TLSv1.2'),
                  vhost('new', 'b', 'SSLProtocol TLSv1.3'), vhost('silent', 'c', ''),
                  vhost('both', 'ecdsa', 'SSLProtocol -all +TLSv1.2 +TLSv1.3') ],
        want => { base => '1.2, best TLSv1_2', old => '1.2, best TLSv1_2', new => '1.3, best TLSv1_3', silent => '1.2, best TLSv1_2', both => '1.2 1.3, best TLSv1_3', unknown => '1.2, best TLSv1_2', '' => '1.2, best TLSv1_2' } },
    {   name => 'main server and first host differ',
        conf => [ "SSLProtocol TLSv1.3\n", vhost('base', 'rsa', 'SSLProtocol TLSv1.2'), vhost('old', 'a', 'SSLProtocol TLSv1.2'),
                  vhost('new', 'b', 'SSLProtocol TLSv1.3'), vhost('silent', 'c', ''),
                  vhost('both', 'ecdsa', 'SSLProtocol -all +TLSv1.2 +TLSv1.3') ],
        want => { base => '1.2, best TLSv1_2', old => '1.2, best TLSv1_2', new => '1.3, best TLSv1_3', silent => '1.3, best TLSv1_3', both => '1.2 1.3, best TLSv1_3', unknown => '1.2, best TLSv1_2', '' => '1.2, best TLSv1_2' } },
) {
    subtest $case->{name} => sub {
        my $h = ModSSL::Httpd->new(config => join '', @{ $case->{conf} });
        $h->start or die $h->why;
        for my $sni (qw(base old new silent both unknown), '') {
            is(versions($h, $sni && "$sni.test"), $case->{want}{$sni}, $sni || 'no name');
        }
    };
}

done_testing;
